using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>Questions about single messages, for status requests. Stateless; any thread with a reading connection.</summary>
internal static class MailboxLookup
{
    /// <summary>What became of a message; Found false: ask again after the next batch.</summary>
    public static (bool Found, MessageStatus Status) Find(Mailbox mailbox, uint epoch, long seq, long now, RawConnection connection)
    {
        MailboxState state;
        JournalMessage? recent;
        lock (mailbox.Gate)
        {
            state = mailbox.Committed!;
            recent = mailbox.RecentLocked(seq) is [var first, ..] && first.Seq == seq ? first : null;
        }
        if (!state.IsKnown || seq < 1 || seq > state.Top || seq <= state.Forgotten)
            return (true, default);
        // An epoch that ended gave its messages, up to its top, to the next one.
        if (epoch != state.Epoch && seq > MailboxRows.TopOfEpoch(connection, state.Id, epoch))
            return (true, default);
        if (state.Skips.TryFind(seq, out var range))
            return (true, new MessageStatus(StateOf(range.Reason), 0, 0));
        if (seq <= state.Acked)
            return (true, new MessageStatus(MessageState.Acked, 0, 0));
        if (recent is not null)
            return (true, Live(recent.AcceptedAt, recent.ExpiresAt, now));
        using var row = MailboxRows.Between(connection.Use(MailboxRows.SelectMessageHeads), state.Id, seq, seq);
        return row.Step() ? (true, Live(row.Long(3), row.Long(1), now)) : (false, default);
    }

    /// <summary>When the oldest live message was accepted, 0 when there is none.</summary>
    public static long OldestAt(Mailbox mailbox, RawConnection connection)
    {
        var state = mailbox.Committed!;
        if (state.TableCount > 0)
        {
            using var rows = MailboxRows.Between(
                connection.Use(MailboxRows.SelectMessageHeads), state.Id, state.Acked + 1, state.TableTop);
            if (rows.Step())
                return rows.Long(3);
        }
        lock (mailbox.Gate)
            return mailbox.RecentLocked(mailbox.Committed!.Acked + 1) is [var first, ..] ? first.AcceptedAt : 0;
    }

    private static MessageStatus Live(long acceptedAt, long expiresAt, long now) =>
        new(expiresAt <= now ? MessageState.Expired : MessageState.Pending, acceptedAt, expiresAt);

    private static MessageState StateOf(ResetReason reason) => reason switch
    {
        ResetReason.Expired => MessageState.Expired,
        ResetReason.Poison => MessageState.Parked,
        ResetReason.Cancelled => MessageState.Cancelled,
        _ => MessageState.Dropped,
    };
}
