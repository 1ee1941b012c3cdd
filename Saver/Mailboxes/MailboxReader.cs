using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>How an attempt to read or open from memory ended.</summary>
internal enum ReadOutcome
{
    Done,
    /// <summary>Not in memory: repeat with a connection.</summary>
    NeedsConnection,
    /// <summary>The object was dropped meanwhile: take the mailbox again.</summary>
    Again,
    /// <summary>A row is gone whose reason is committed but not visible in memory yet: repeat after the next batch.</summary>
    Unsettled,
}

/// <summary>Reads ranges of mailboxes. Holds no state; any thread.</summary>
internal sealed class MailboxReader(MailboxTable table, SaverMetrics metrics, ILogger logger)
{
    /// <param name="connection">Null: only from memory.</param>
    /// <param name="last">Nothing to wait for any more: a hole without a reason is told as overflow.</param>
    public ReadOutcome TryRead(
        Mailbox mailbox, in ReadRequest request, long now, RawConnection? connection, bool last, out ReadReply reply)
    {
        reply = null!;
        MailboxState state;
        long acked;
        JournalMessage[] recent;
        var from = Math.Max(1, request.FromSeq);
        var read = new Range(logger, mailbox, request, now, last);
        lock (mailbox.Gate)
        {
            if (mailbox.IsEvictedLocked)
                return ReadOutcome.Again;
            if (mailbox.Committed is not { } committed)
                return ReadOutcome.NeedsConnection;
            state = committed;
            acked = mailbox.AckedLocked(state);
            if (request.Epoch != state.Epoch)
            {
                reply = new ReadReply(state.Epoch, [], state.Top, acked);
                return ReadOutcome.Done;
            }
            if (from <= acked)
                read.SkipTo(Math.Min(acked, state.Top), ResetReason.Overflow);
            var needsTable = state.TableCount > 0 && read.Next <= state.TableTop;
            if (!needsTable)
            {
                if (!read.AddAll(mailbox.RecentLocked(read.Next), state))
                    return ReadOutcome.Unsettled;
                metrics.MemoryReads.Add(1);
                reply = Finish(mailbox, read, state, from, acked);
                return ReadOutcome.Done;
            }
            if (connection is null)
                return ReadOutcome.NeedsConnection;
            recent = mailbox.RecentLocked(read.Next).ToArray();
        }
        metrics.TableReads.Add(1);
        using (var rows = MailboxRows.Between(connection.Use(MailboxRows.SelectMessages), state.Id, read.Next, state.TableTop))
        {
            while (!read.IsFull && rows.Step())
            {
                // The table may be newer than the state: what lies above its top comes with the next read.
                if (!read.Add(
                    state, MessageId.SeqOf(rows.Long(0)), (PayloadKind)rows.Int(1), rows.Long(2), rows.Long(3), rows.Blob(4).ToArray()))
                {
                    return ReadOutcome.Unsettled;
                }
            }
        }
        if (!read.IsFull && !read.AddAll(recent, state))
            return ReadOutcome.Unsettled;
        lock (mailbox.Gate)
            reply = Finish(mailbox, read, state, from, acked);
        return ReadOutcome.Done;
    }

    private ReadReply Finish(Mailbox mailbox, Range read, MailboxState state, long from, long acked)
    {
        if (read.SawExpired && !mailbox.IsEvictedLocked)
        {
            mailbox.NoteExpiryLocked(state, read.Now);
            if (mailbox.MarkNotedLocked())
                table.AddNoted(mailbox);
        }
        return new ReadReply(state.Epoch, read.Entries.Finish(), state.Top, Math.Max(from - 1, acked));
    }

    /// <summary>The range while it is read: each message or gap moves <see cref="Next"/> on.</summary>
    private sealed class Range(ILogger logger, Mailbox mailbox, ReadRequest request, long now, bool last)
    {
        public StreamEntries Entries { get; } = new();
        public long Next { get; private set; } = Math.Max(1, request.FromSeq);
        public bool IsFull { get; private set; }
        public bool SawExpired { get; private set; }
        public long Now => now;

        public void SkipTo(long seq, ResetReason reason)
        {
            if (seq < Next)
                return;
            Entries.AddGap(seq, reason);
            Next = seq + 1;
        }

        /// <summary>False: there is a hole without a reason.</summary>
        public bool AddAll(ReadOnlySpan<JournalMessage> messages, MailboxState state)
        {
            foreach (var message in messages)
            {
                if (message.Seq < Next || message.Seq <= state.TableTop)
                    continue;
                if (!Add(state, message.Seq, message.Kind, message.AcceptedAt, message.ExpiresAt, message.Payload))
                    return false;
                if (IsFull)
                    return true;
            }
            return Explain(state, state.Top);
        }

        public bool Add(MailboxState state, long seq, PayloadKind kind, long acceptedAt, long expiresAt, byte[] payload)
        {
            if (!Explain(state, seq - 1))
                return false;
            if (expiresAt <= now)
            {
                SawExpired = true;
                SkipTo(seq, ResetReason.Expired);
            }
            else if (Entries.HasRoom(payload.Length, request.MaxMessages, request.MaxBytes))
            {
                Entries.AddMessage(seq, kind, acceptedAt, expiresAt, payload);
                Next = seq + 1;
            }
            else
            {
                IsFull = true;
            }
            return true;
        }

        private bool Explain(MailboxState state, long to)
        {
            while (Next <= to)
            {
                if (state.Skips.TryFind(Next, out var range))
                {
                    SkipTo(Math.Min(range.To, to), range.Reason);
                }
                else if (last)
                {
                    SaverLog.UnexplainedHole(logger, mailbox.Key.ToString(), Next);
                    SkipTo(Next, ResetReason.Overflow);
                }
                else
                {
                    return false;
                }
            }
            return true;
        }
    }
}
