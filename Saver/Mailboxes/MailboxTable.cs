using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Saver.Apps;

namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// The mailboxes in memory and the list of those with uncommitted notes. Any thread looks up and adds; only the writing thread
/// removes, between batches, so that what it holds in a batch is what others find. Lives as long as the store.
/// </summary>
internal sealed class MailboxTable(SaverOptions options)
{
    private const int EvictionsPerRound = 1_024;

    private readonly ConcurrentDictionary<UserKey, Mailbox> _mailboxes = new();
    // Second chance: the order of adding, and a touched one goes to the end again.
    private readonly ConcurrentQueue<Mailbox> _order = new();
    private readonly Lock _notedGate = new();
    private List<Mailbox> _noted = [];
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public int NotedCount
    {
        get
        {
            lock (_notedGate)
                return _noted.Count;
        }
    }

    /// <summary>True when readers alone have filled the table over its bound and the writing thread should be woken.</summary>
    public bool IsOverfull => Count > options.CachedMailboxes + EvictionsPerRound;

    /// <summary>The mailbox, loaded or not.</summary>
    public Mailbox Get(UserKey key, AppState app)
    {
        if (_mailboxes.TryGetValue(key, out var mailbox))
        {
            mailbox.Touched = true;
            return mailbox;
        }
        mailbox = new Mailbox(key, app);
        var present = _mailboxes.GetOrAdd(key, mailbox);
        if (ReferenceEquals(present, mailbox))
        {
            Interlocked.Increment(ref _count);
            _order.Enqueue(mailbox);
        }
        return present;
    }

    public bool TryGet(UserKey key, out Mailbox mailbox) => _mailboxes.TryGetValue(key, out mailbox!);

    /// <summary>Puts a mailbox on the list for the next flush; says how many wait.</summary>
    public int AddNoted(Mailbox mailbox)
    {
        lock (_notedGate)
        {
            _noted.Add(mailbox);
            return _noted.Count;
        }
    }

    /// <summary>Takes the list; the caller notes or commits everything on it.</summary>
    public List<Mailbox> TakeNoted()
    {
        lock (_notedGate)
        {
            var noted = _noted;
            _noted = [];
            return noted;
        }
    }

    /// <summary>
    /// Writing thread, between batches: drops mailboxes over the bound that were not touched since the last round. True when another
    /// round is needed and can achieve something.
    /// </summary>
    public bool Evict()
    {
        var progress = false;
        for (var i = 0; i < EvictionsPerRound && Count > options.CachedMailboxes && _order.TryDequeue(out var mailbox); i++)
        {
            if (mailbox.Touched)
            {
                mailbox.Touched = false;
                _order.Enqueue(mailbox);
                progress = true;
            }
            else if (mailbox.TryEvict())
            {
                _mailboxes.TryRemove(KeyValuePair.Create(mailbox.Key, mailbox));
                Interlocked.Decrement(ref _count);
                progress = true;
            }
            else
            {
                _order.Enqueue(mailbox);
            }
        }
        return progress && IsOverfull;
    }

    /// <summary>Notes expired messages for the next flush. Any thread.</summary>
    public int NoteExpired(long now)
    {
        var found = 0;
        foreach (var (_, mailbox) in _mailboxes)
        {
            if (mailbox.Committed is not { Count: > 0 } state || state.EarliestExpiry > now)
                continue;
            lock (mailbox.Gate)
            {
                if (mailbox.IsEvictedLocked)
                    continue;
                mailbox.NoteExpiryLocked(state, now);
                if (mailbox.MarkNotedLocked())
                    AddNoted(mailbox);
                found++;
            }
        }
        return found;
    }

    /// <summary>Writing thread, between batches: forgets everything, because it will be loaded again.</summary>
    public void Clear()
    {
        foreach (var (_, mailbox) in _mailboxes)
            mailbox.Abandon();
        _mailboxes.Clear();
        _order.Clear();
        Volatile.Write(ref _count, 0);
        TakeNoted();
    }
}
