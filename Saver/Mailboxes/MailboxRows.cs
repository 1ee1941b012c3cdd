using PushSystem.Protocol;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>The SQL of mailbox rows, waiting messages and skips. Stateless; the connection's owner calls it.</summary>
internal static class MailboxRows
{
    private const string SelectMailbox =
        "SELECT id, epoch, acked, top, last_ack_at, cursor, attempt_seq, attempts, forgotten FROM mailboxes WHERE app_id = ?1 AND user = ?2";
    private const string SelectTotals =
        "SELECT count(*), ifnull(sum(length(payload)), 0), ifnull(max(id), 0), ifnull(min(expires_at), 0) FROM messages WHERE id BETWEEN ?1 AND ?2";
    private const string SelectSkips = "SELECT from_seq, to_seq, reason FROM skips WHERE mailbox_id = ?1 ORDER BY from_seq";
    private const string InsertMailbox =
        "INSERT INTO mailboxes (app_id, user, epoch, acked, top, last_ack_at, cursor, attempt_seq, attempts, forgotten) VALUES (?1, ?2, ?3, 0, 0, 0, ?4, 0, 0, 0)";
    private const string UpdateMailbox =
        "UPDATE mailboxes SET epoch = ?2, acked = ?3, top = ?4, last_ack_at = ?5, cursor = ?6, attempt_seq = ?7, attempts = ?8, forgotten = ?9 WHERE id = ?1";
    private const string DeleteSkip = "DELETE FROM skips WHERE mailbox_id = ?1 AND from_seq = ?2";
    private const string PutSkip = "INSERT OR REPLACE INTO skips (mailbox_id, from_seq, to_seq, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    private const string InsertMessage = "INSERT INTO messages (id, kind, accepted_at, expires_at, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
    private const string DeleteMessages = "DELETE FROM messages WHERE id BETWEEN ?1 AND ?2";
    private const string InsertEpoch = "INSERT OR REPLACE INTO mailbox_epochs (mailbox_id, epoch, top) VALUES (?1, ?2, ?3)";
    private const string SelectEpoch = "SELECT top FROM mailbox_epochs WHERE mailbox_id = ?1 AND epoch = ?2";
    private const string InsertParked =
        "INSERT INTO parked (mailbox_id, epoch, seq, kind, accepted_at, expires_at, parked_at, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

    /// <summary>Rows in order: 0 id, 1 kind, 2 accepted_at, 3 expires_at, 4 payload.</summary>
    public const string SelectMessages =
        "SELECT id, kind, accepted_at, expires_at, payload FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

    /// <summary>Rows in order: 0 id, 1 expires_at, 2 payload bytes, 3 accepted_at.</summary>
    public const string SelectMessageHeads =
        "SELECT id, expires_at, length(payload), accepted_at FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

    private const string SumMessages = "SELECT count(*), ifnull(sum(length(payload)), 0) FROM messages WHERE id BETWEEN ?1 AND ?2";

    /// <summary>The state without the journal's messages, and the attempts (seq, count). A user without a row gets an empty state.</summary>
    public static (MailboxState State, long AttemptSeq, int Attempts) Load(RawConnection connection, int app, string user, uint firstEpoch)
    {
        MailboxState state;
        long attemptSeq;
        int attempts;
        using (var row = connection.Use(SelectMailbox).Bind(1, app).Bind(2, user))
        {
            if (!row.Step())
                return (new MailboxState { Epoch = firstEpoch }, 0, 0);
            state = new MailboxState
            {
                Id = row.Long(0),
                Epoch = (uint)row.Long(1),
                Acked = row.Long(2),
                Top = Math.Max(row.Long(3), row.Long(2)),
                LastAckAt = row.Long(4),
                Cursor = row.IsNull(5) ? -1 : row.Long(5),
                Forgotten = row.Long(8),
            };
            (attemptSeq, attempts) = (row.Long(6), row.Int(7));
        }
        using (var row = Between(connection.Use(SelectTotals), state.Id, state.Acked + 1, MessageId.MaxSeq))
        {
            if (row.Step() && row.Long(0) > 0)
            {
                var tableTop = MessageId.SeqOf(row.Long(2));
                state = state with
                {
                    Count = row.Int(0),
                    TableCount = row.Int(0),
                    Bytes = row.Long(1),
                    TableTop = tableTop,
                    Top = Math.Max(state.Top, tableTop),
                    EarliestExpiry = row.Long(3),
                };
            }
        }
        var skips = SkipList.Empty;
        using (var row = connection.Use(SelectSkips).Bind(1, state.Id))
        {
            while (row.Step())
                skips = skips.Add(row.Long(0), row.Long(1), (ResetReason)row.Int(2));
        }
        return (state with { Skips = skips, Top = Math.Max(state.Top, skips.Last) }, attemptSeq, attempts);
    }

    public static long Insert(RawConnection connection, int app, string user, uint epoch, long cursor)
    {
        var statement = connection.Use(InsertMailbox).Bind(1, app).Bind(2, user).Bind(3, epoch);
        (cursor < 0 ? statement.BindNull(4) : statement.Bind(4, cursor)).Run();
        var id = connection.LastRowId;
        if (id > MessageId.MaxMailbox)
            throw new InvalidOperationException($"The store holds {MessageId.MaxMailbox} mailboxes, the most that it can.");
        return id;
    }

    public static void Update(RawConnection connection, MailboxState state, long attemptSeq, int attempts)
    {
        var statement = connection.Use(UpdateMailbox)
            .Bind(1, state.Id).Bind(2, state.Epoch).Bind(3, state.Acked).Bind(4, state.Top).Bind(5, state.LastAckAt)
            .Bind(7, attemptSeq).Bind(8, attempts).Bind(9, state.Forgotten);
        (state.Cursor < 0 ? statement.BindNull(6) : statement.Bind(6, state.Cursor)).Run();
    }

    /// <summary>Writes the difference between two lists.</summary>
    public static void UpdateSkips(RawConnection connection, long mailbox, SkipList before, SkipList after, long now)
    {
        foreach (var range in before.Ranges)
        {
            if (!after.TryFind(range.From, out var found) || found.From != range.From)
                connection.Use(DeleteSkip).Bind(1, mailbox).Bind(2, range.From).Run();
        }
        foreach (var range in after.Ranges)
        {
            if (!before.TryFind(range.From, out var found) || found != range)
            {
                connection.Use(PutSkip).Bind(1, mailbox).Bind(2, range.From).Bind(3, range.To).Bind(4, (long)range.Reason).Bind(5, now)
                    .Run();
            }
        }
    }

    public static void InsertWaiting(RawConnection connection, long mailbox, JournalMessage message) =>
        connection.Use(InsertMessage).Bind(1, MessageId.Of(mailbox, message.Seq)).Bind(2, (long)message.Kind)
            .Bind(3, message.AcceptedAt).Bind(4, message.ExpiresAt).Bind(5, message.Payload).Run();

    /// <summary>Removes waiting messages; says how many.</summary>
    public static int DeleteWaiting(RawConnection connection, long mailbox, long fromSeq, long toSeq)
    {
        Between(connection.Use(DeleteMessages), mailbox, fromSeq, toSeq).Run();
        return connection.Changes;
    }

    public static (int Count, long Bytes) SumWaiting(RawConnection connection, long mailbox, long fromSeq, long toSeq)
    {
        using var row = Between(connection.Use(SumMessages), mailbox, fromSeq, toSeq);
        return row.Step() ? (row.Int(0), row.Long(1)) : (0, 0);
    }

    public static RawStatement Between(RawStatement statement, long mailbox, long fromSeq, long toSeq) =>
        statement.Bind(1, MessageId.Of(mailbox, fromSeq)).Bind(2, MessageId.Of(mailbox, toSeq));

    public static void EndEpoch(RawConnection connection, long mailbox, uint epoch, long top) =>
        connection.Use(InsertEpoch).Bind(1, mailbox).Bind(2, epoch).Bind(3, top).Run();

    /// <summary>The highest number that an epoch that ended gave to the next one; -1 when it never was.</summary>
    public static long TopOfEpoch(RawConnection connection, long mailbox, uint epoch)
    {
        using var row = connection.Use(SelectEpoch).Bind(1, mailbox).Bind(2, epoch);
        return row.Step() ? row.Long(0) : -1;
    }

    public static void InsertParkedMessage(
        RawConnection connection, long mailbox, uint epoch, long seq, PayloadKind kind, long acceptedAt, long expiresAt, long now,
        ReadOnlySpan<byte> payload) =>
        connection.Use(InsertParked).Bind(1, mailbox).Bind(2, epoch).Bind(3, seq).Bind(4, (long)kind).Bind(5, acceptedAt)
            .Bind(6, expiresAt).Bind(7, now).Bind(8, payload).Run();
}
