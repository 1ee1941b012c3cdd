using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// The recent messages in the order of storing: a table that is only appended to and cut off at the front, mirrored in memory.
/// Most messages are acknowledged before their turn to be cut off comes and never cost more than one sequential write; the rest move
/// to the table of waiting messages in portions that are sorted by mailbox. Touched by the writing thread only.
/// </summary>
internal sealed class Journal(SaverOptions options, SaverMetrics metrics)
{
    private const string Insert =
        "INSERT INTO journal (id, mailbox_id, seq, kind, accepted_at, expires_at, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    private const string DeleteTo = "DELETE FROM journal WHERE id <= ?1";
    private const string Select =
        "SELECT journal.id, journal.seq, kind, accepted_at, expires_at, payload, app_id, user FROM journal JOIN mailboxes ON mailboxes.id = mailbox_id ORDER BY journal.id";

    // Below this, cutting off dead rows waits for more of them.
    private const int TrimRows = 512;
    private const int MoveRows = 4_096;

    private readonly Queue<JournalMessage> _entries = new();
    private readonly List<JournalMessage> _staged = [];
    private readonly List<JournalMessage> _moving = [];
    private long _bytes;
    private long _stagedBytes;
    private long _nextId = 1;
    private int _cut;

    /// <summary>Payload bytes and overhead of all rows, the dead ones that are not cut off yet included.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    public int Count => _entries.Count;

    public void Append(
        WriteBatch batch, Mailbox mailbox, long seq, PayloadKind kind, long acceptedAt, long expiresAt, byte[] payload)
    {
        var message = new JournalMessage(mailbox, seq, kind, acceptedAt, expiresAt, payload) { JournalId = _nextId++ };
        batch.Connection.Use(Insert).Bind(1, message.JournalId).Bind(2, mailbox.Working.Id).Bind(3, seq).Bind(4, (long)kind)
            .Bind(5, acceptedAt).Bind(6, expiresAt).Bind(7, payload).Run();
        mailbox.Append(message);
        _staged.Add(message);
        _stagedBytes += message.Cost;
    }

    /// <summary>Cuts off what is dead at the front, and over the bounds also what lives, which moves. In the transaction.</summary>
    public void Trim(WriteBatch batch, MailboxWriter writer, bool flush)
    {
        _cut = 0;
        long freed = 0;
        long lastId = 0;
        var mostMoves = Math.Max(MoveRows, 2 * _staged.Count);
        foreach (var message in _entries)
        {
            if (IsDead(message) is false)
            {
                var over = _bytes + _stagedBytes - freed > options.JournalBytes
                    || _entries.Count + _staged.Count - _cut > options.JournalMessages;
                if (!over || _moving.Count >= mostMoves)
                    break;
                _moving.Add(message);
            }
            _cut++;
            freed += message.Cost;
            lastId = message.JournalId;
        }
        if (_moving.Count == 0 && (_cut == 0 || (_cut < TrimRows && !flush)))
        {
            _cut = 0;
            return;
        }
        Move(batch, writer);
        batch.Connection.Use(DeleteTo).Bind(1, lastId).Run();
    }

    public void Committed()
    {
        for (; _cut > 0; _cut--)
            _bytes -= _entries.Dequeue().Cost;
        foreach (var message in _staged)
            _entries.Enqueue(message);
        _bytes += _stagedBytes;
        Reset();
    }

    public void RolledBack() => Reset();

    /// <summary>Fills the mailboxes with what is live; at start, or after a failure.</summary>
    public void Load(RawConnection connection, MailboxTable table, IReadOnlyDictionary<int, AppState> apps, uint firstEpoch)
    {
        Reset();
        _entries.Clear();
        _bytes = 0;
        _nextId = 1;
        using var rows = connection.Use(Select);
        while (rows.Step())
        {
            var app = apps[rows.Int(6)];
            var mailbox = table.Get(new UserKey(app.App, rows.Text(7)), app);
            mailbox.EnsureLoaded(connection, firstEpoch);
            var seq = rows.Long(1);
            _nextId = rows.Long(0) + 1;
            // IsLive also asks for seq <= Top, which the journal itself raises.
            var state = mailbox.Working;
            if (seq <= state.Acked || seq <= state.TableTop || state.Skips.Covers(seq))
                continue;
            var message = new JournalMessage(
                mailbox, seq, (PayloadKind)rows.Int(2), rows.Long(3), rows.Long(4), rows.Blob(5).ToArray()) { JournalId = rows.Long(0) };
            mailbox.Restore(message);
            _entries.Enqueue(message);
            _bytes += message.Cost;
        }
    }

    private void Move(WriteBatch batch, MailboxWriter writer)
    {
        // Sorted, so that rows that lie together are written together.
        _moving.Sort(static (one, other) =>
        {
            var byMailbox = one.Mailbox.Working.Id.CompareTo(other.Mailbox.Working.Id);
            return byMailbox != 0 ? byMailbox : one.Seq.CompareTo(other.Seq);
        });
        foreach (var message in _moving)
        {
            var mailbox = message.Mailbox;
            writer.Settle(batch, mailbox);
            if (IsDead(message))
                continue;
            MailboxRows.InsertWaiting(batch.Connection, mailbox.Working.Id, message);
            mailbox.Set(batch, mailbox.Working with { TableTop = message.Seq, TableCount = mailbox.Working.TableCount + 1 });
        }
        metrics.Moved.Add(_moving.Count);
        _moving.Clear();
    }

    private static bool IsDead(JournalMessage message)
    {
        var state = message.Mailbox.Working;
        return message.Seq <= state.TableTop || !state.IsLive(message.Seq);
    }

    private void Reset()
    {
        _staged.Clear();
        _moving.Clear();
        _stagedBytes = 0;
        _cut = 0;
    }
}
