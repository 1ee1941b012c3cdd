using System.Runtime.InteropServices;
using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// One mailbox in memory: its committed state, its recent messages, and what clients told that is not committed yet.
/// Any thread reads and notes acknowledgements under <see cref="Gate"/>; the writing thread alone changes the working state and the
/// messages. Owned by <see cref="MailboxTable"/>, which drops it when it holds nothing that the database has not.
/// </summary>
internal sealed class Mailbox(UserKey key, AppState app) : IVersioned
{
    private readonly List<JournalMessage> _recent = [];
    private readonly List<JournalMessage> _appended = [];
    private MailboxState? _committed;
    private MailboxState? _working;
    private bool _tracked;
    private bool _evicted;

    // Told by clients, under the gate. They stay after they were committed: only the highest counts.
    private uint _ackEpoch;
    private long _ackSeq;
    private long _ackAt;
    private long _cursor = -1;
    private long _attemptSeq;
    private int _attempts;
    private long _expiryAt;
    private long _expiryBehind;
    private bool _noted;
    private bool _committing;

    public UserKey Key => key;
    public AppState App => app;
    public Lock Gate { get; } = new();

    /// <summary>Set by every access, cleared by the table's eviction round.</summary>
    public bool Touched { get; set; } = true;

    /// <summary>Writing thread only: the row must be written before the commit.</summary>
    public bool RowChanged { get; set; }

    /// <summary>The committed state, null until loaded. Reads by other threads that combine it with messages hold the gate.</summary>
    public MailboxState? Committed => Volatile.Read(ref _committed);

    /// <summary>Writing thread only, after loading.</summary>
    public MailboxState Working => _working!;

    /// <summary>Loads the state once, with whichever connection the caller has.</summary>
    public void EnsureLoaded(RawConnection connection, uint firstEpoch)
    {
        if (Committed is not null)
            return;
        lock (Gate)
        {
            if (_committed is not null)
                return;
            var (state, attemptSeq, attempts) = MailboxRows.Load(connection, app.Id, key.User, firstEpoch);
            (_attemptSeq, _attempts) = (attemptSeq, attempts);
            _working = state;
            Volatile.Write(ref _committed, state);
        }
    }

    /// <summary>Before the store serves anybody: a journal row that is still live.</summary>
    public void Restore(JournalMessage message)
    {
        _recent.Add(message);
        _working = _working! with
        {
            Top = Math.Max(_working.Top, message.Seq),
            Count = _working.Count + 1,
            Bytes = _working.Bytes + message.Payload.Length,
            EarliestExpiry = Math.Min(_working.EarliestExpiry, message.ExpiresAt),
        };
        Volatile.Write(ref _committed, _working);
    }

    /// <summary>Writing thread only.</summary>
    public void Set(WriteBatch batch, MailboxState state)
    {
        _working = state;
        if (_tracked)
            return;
        _tracked = true;
        batch.Track(this);
    }

    /// <summary>Writing thread only: a message that readers see after the commit. The caller also sets the state.</summary>
    public void Append(JournalMessage message) => _appended.Add(message);

    public void Publish()
    {
        _tracked = false;
        lock (Gate)
        {
            var skipsChanged = _committed!.Skips != _working!.Skips;
            Volatile.Write(ref _committed, _working);
            _recent.AddRange(_appended);
            _appended.Clear();
            var dead = 0;
            while (dead < _recent.Count && !IsRecent(_recent[dead].Seq))
                dead++;
            _recent.RemoveRange(0, dead);
            if (skipsChanged)
                _recent.RemoveAll(message => !IsRecent(message.Seq));
        }
    }

    public void Discard()
    {
        _tracked = false;
        RowChanged = false;
        _working = _committed;
        _appended.Clear();
    }

    /// <summary>Writing thread only: live messages in memory from <paramref name="seq"/> on, those of this batch included.</summary>
    public IEnumerable<JournalMessage> RecentFrom(long seq)
    {
        for (var i = IndexOf(seq); i < _recent.Count; i++)
        {
            if (Working.IsLive(_recent[i].Seq) && _recent[i].Seq > Working.TableTop)
                yield return _recent[i];
        }
        foreach (var message in _appended)
        {
            if (message.Seq >= seq && Working.IsLive(message.Seq))
                yield return message;
        }
    }

    /// <summary>The committed messages in memory from <paramref name="seq"/> on. The caller holds the gate.</summary>
    public ReadOnlySpan<JournalMessage> RecentLocked(long seq) => CollectionsMarshal.AsSpan(_recent)[IndexOf(seq)..];

    /// <summary>Highest acknowledged number, what is not committed yet included. The caller holds the gate.</summary>
    public long AckedLocked(MailboxState state) => _ackEpoch == state.Epoch ? Math.Max(state.Acked, _ackSeq) : state.Acked;

    /// <summary>Position in the broadcast log, what is not committed yet included. The caller holds the gate.</summary>
    public long CursorLocked(MailboxState state) => Math.Max(state.Cursor, _cursor);

    /// <summary>True when clients told something that is not committed. The caller holds the gate.</summary>
    public bool HasNotesLocked => _noted || _committing;

    /// <summary>The caller holds the gate and has checked that it is not evicted and that seq is within the stream.</summary>
    public void NoteAckLocked(uint epoch, long seq, long now)
    {
        (_ackEpoch, _ackSeq, _ackAt) = (epoch, seq, now);
    }

    /// <inheritdoc cref="NoteAckLocked"/>
    public void NoteCursorLocked(long seq, long now)
    {
        _cursor = seq;
        _ackAt = now;
    }

    /// <summary>Deliveries of the head message so far, this one included. The caller holds the gate.</summary>
    public int CountAttemptLocked(long head)
    {
        if (_attemptSeq != head)
            (_attemptSeq, _attempts) = (head, 0);
        return ++_attempts;
    }

    /// <summary>Deliveries of this head so far. The caller holds the gate.</summary>
    public int AttemptsLocked(long head) => _attemptSeq == head ? _attempts : 0;

    /// <summary>
    /// Expired messages were seen; the next flush removes them, but none that was acknowledged before or that expires later. The
    /// caller holds the gate.
    /// </summary>
    public void NoteExpiryLocked(MailboxState state, long now) => (_expiryAt, _expiryBehind) = (now, AckedLocked(state));

    /// <summary>True when the mailbox was not waiting to be flushed before. The caller holds the gate.</summary>
    public bool MarkNotedLocked()
    {
        if (_noted)
            return false;
        _noted = true;
        return true;
    }

    public bool IsEvictedLocked => _evicted;

    /// <summary>What the next commit takes over. The notes stay, so that a rollback needs nothing but the mark.</summary>
    public MailboxNotes TakeNotes()
    {
        lock (Gate)
        {
            var notes = new MailboxNotes(_noted, _ackEpoch, _ackSeq, _ackAt, _cursor, _expiryAt, _expiryBehind);
            _committing |= _noted;
            _noted = false;
            _expiryAt = 0;
            return notes;
        }
    }

    /// <summary>What was taken is committed, or is noted again after a rollback.</summary>
    public void NotesSettled()
    {
        lock (Gate)
            _committing = false;
    }

    /// <summary>The attempts as they are to be stored.</summary>
    public (long Seq, int Count) Attempts
    {
        get
        {
            lock (Gate)
                return (_attemptSeq, _attempts);
        }
    }

    /// <summary>Writing thread only, between batches: gives up the object if nothing would be lost.</summary>
    public bool TryEvict()
    {
        lock (Gate)
        {
            if (_noted || _tracked || _recent.Count > 0)
                return false;
            _evicted = true;
            return true;
        }
    }

    /// <summary>The object is no longer the mailbox's: everything is loaded again after a failure.</summary>
    public void Abandon()
    {
        lock (Gate)
            _evicted = true;
    }

    private bool IsRecent(long seq) => seq > _committed!.TableTop && _committed.IsLive(seq);

    private int IndexOf(long seq)
    {
        int low = 0, high = _recent.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (_recent[middle].Seq < seq)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}

/// <summary>What clients told about a mailbox since the last commit. ExpiryAt 0 = no expired messages were seen.</summary>
internal readonly record struct MailboxNotes(bool Any, uint AckEpoch, long AckSeq, long AckAt, long Cursor, long ExpiryAt, long ExpiryBehind);
