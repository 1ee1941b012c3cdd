using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>What an opening needs before it can be answered.</summary>
internal enum OpenOutcome
{
    Done,
    /// <inheritdoc cref="ReadOutcome.NeedsConnection"/>
    NeedsConnection,
    /// <inheritdoc cref="ReadOutcome.Again"/>
    Again,
    /// <summary>Memory is behind the database for a moment: repeat on the writing thread.</summary>
    Unsettled,
    /// <summary>The user's first opening: a row and a cursor must be committed.</summary>
    NewUser,
    /// <summary>The client is ahead of the store: a new epoch must be committed.</summary>
    NewEpoch,
    /// <summary>The head message was delivered too often and must be set aside.</summary>
    Park,
}

/// <summary>
/// Decides where both streams of a user go on. An opening that changes nothing but positions is answered from memory, so that a
/// storm of logins costs no commits. Holds no state; any thread.
/// </summary>
internal sealed class MailboxOpener(MailboxTable table, ILogger logger)
{
    private const string SelectExpiry = "SELECT expires_at FROM messages WHERE id = ?1";

    /// <param name="writing">True on the writing thread: sees what the batch changed.</param>
    public OpenOutcome TryOpen(
        Mailbox mailbox, AppLimits limits, in OpenRequest request, long now, RawConnection? connection, bool writing, out OpenReply reply)
    {
        reply = default;
        lock (mailbox.Gate)
        {
            if (mailbox.IsEvictedLocked)
                return OpenOutcome.Again;
            if (mailbox.Committed is not { } committed)
                return OpenOutcome.NeedsConnection;
            var state = writing ? mailbox.Working : committed;
            if (state.Cursor < 0)
                return OpenOutcome.NewUser;
            var noted = false;
            // A client can only have seen what is committed.
            if (request.Mailbox.Epoch == state.Epoch && request.Mailbox.Seq > committed.Top)
                return OpenOutcome.NewEpoch;
            var gap = NotePosition(mailbox, state, request.Mailbox, now, ref noted);
            var outcome = SkipDead(mailbox, state, now, connection, writing, ref noted, out var position, out var reason);
            if (outcome == OpenOutcome.Done && position < state.Top)
            {
                if (mailbox.AttemptsLocked(position + 1) >= limits.DeliveryAttempts)
                    outcome = OpenOutcome.Park;
                else
                    noted |= mailbox.CountAttemptLocked(position + 1) > 0;
            }
            if (outcome == OpenOutcome.Done)
            {
                reply = new OpenReply(
                    new StreamOpening(state.Epoch, position, state.Top, ResetReasons.Stronger(gap, reason)),
                    OpenBroadcast(mailbox, state, request.Broadcast, now, ref noted));
            }
            if (noted && mailbox.MarkNotedLocked())
                table.AddNoted(mailbox);
            return outcome;
        }
    }

    /// <summary>Where the mailbox's stream goes on now, without counting an attempt. The caller is the writing thread.</summary>
    public StreamOpening Position(WriteBatch batch, Mailbox mailbox)
    {
        lock (mailbox.Gate)
        {
            var noted = false;
            var state = mailbox.Working;
            SkipDead(mailbox, state, batch.Now, batch.Connection, writing: true, ref noted, out var position, out var reason);
            return new StreamOpening(state.Epoch, position, state.Top, reason);
        }
    }

    private static ResetReason NotePosition(Mailbox mailbox, MailboxState state, StreamPosition client, long now, ref bool noted)
    {
        if (client.Epoch != state.Epoch)
            return client.Epoch == 0 ? ResetReason.None : ResetReason.DataLoss;
        if (client.Seq > mailbox.AckedLocked(state))
        {
            mailbox.NoteAckLocked(state.Epoch, client.Seq, now);
            noted = true;
        }
        return ResetReason.None;
    }

    /// <summary>Finds the position in front of the first live message that has not expired, and why others in between are left out.</summary>
    private static OpenOutcome SkipDead(
        Mailbox mailbox, MailboxState state, long now, RawConnection? connection, bool writing, ref bool noted, out long position,
        out ResetReason reason)
    {
        position = mailbox.AckedLocked(state);
        reason = ResetReason.None;
        while (true)
        {
            if (state.Skips.TryFind(position + 1, out var range))
            {
                position = range.To;
                reason = ResetReasons.Stronger(reason, range.Reason);
                continue;
            }
            if (position >= state.Top || now < state.EarliestExpiry)
                return OpenOutcome.Done;
            var seq = position + 1;
            if (seq <= state.TableTop && connection is null)
                return OpenOutcome.NeedsConnection;
            if (ExpiryOf(mailbox, state, seq, connection, writing) is not { } expiresAt)
            {
                // Removed by a commit that is not visible in memory yet; the writing thread knows why.
                return writing ? OpenOutcome.Done : OpenOutcome.Unsettled;
            }
            if (expiresAt > now)
                return OpenOutcome.Done;
            position = seq;
            reason = ResetReasons.Stronger(reason, ResetReason.Expired);
            mailbox.NoteExpiryLocked(state, now);
            noted = true;
        }
    }

    private static long? ExpiryOf(Mailbox mailbox, MailboxState state, long seq, RawConnection? connection, bool writing)
    {
        if (seq <= state.TableTop)
        {
            using var row = connection!.Use(SelectExpiry).Bind(1, MessageId.Of(state.Id, seq));
            return row.Step() ? row.Long(0) : null;
        }
        var message = writing
            ? mailbox.RecentFrom(seq).FirstOrDefault()
            : mailbox.RecentLocked(seq) is [var first, ..] ? first : null;
        return message?.Seq == seq ? message.ExpiresAt : null;
    }

    private StreamOpening OpenBroadcast(Mailbox mailbox, MailboxState state, StreamPosition client, long now, ref bool noted)
    {
        var log = mailbox.App.Log.Committed;
        var cursor = mailbox.CursorLocked(state);
        var gap = ResetReason.None;
        if (client.Epoch == log.Epoch && client.Seq > log.Top)
        {
            // One user's claim does not begin a new epoch for all users of the app; see StartNewEpochs.
            SaverLog.BroadcastPositionAhead(logger, mailbox.Key.App, mailbox.Key.User, client.Seq, log.Top);
            gap = ResetReason.DataLoss;
        }
        else if (client.Epoch == log.Epoch)
        {
            if (client.Seq > cursor)
            {
                mailbox.NoteCursorLocked(client.Seq, now);
                noted = true;
                cursor = client.Seq;
            }
        }
        else if (client.Epoch != 0)
        {
            gap = ResetReason.DataLoss;
        }
        var (position, reason) = log.SkipDead(cursor, now);
        return new StreamOpening(log.Epoch, position, Math.Max(position, log.Released), ResetReasons.Stronger(gap, reason));
    }
}
