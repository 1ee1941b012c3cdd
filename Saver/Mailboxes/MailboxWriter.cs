using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// All changes of mailboxes, inside the transaction. The writing thread alone calls it. Lives as long as the store.
/// </summary>
internal sealed class MailboxWriter(
    AppTable apps, MailboxTable table, Journal journal, BroadcastCounters counters, SaverMetrics metrics, ILogger logger, uint firstEpoch)
{
    private readonly List<Mailbox> _changed = [];
    private readonly List<Mailbox> _noted = [];
    private long _appended;
    private long _acked;
    private long _overflowed;
    private long _expired;
    private long _parked;

    /// <summary>The mailbox, loaded, with everything applied that clients told about it.</summary>
    public Mailbox Take(WriteBatch batch, UserKey key)
    {
        var app = apps.View.Working.Find(key.App) ?? throw new ArgumentException($"app: '{key.App}' does not exist");
        var mailbox = table.Get(key, app.State);
        mailbox.EnsureLoaded(batch.Connection, firstEpoch);
        ApplyNotes(batch, mailbox);
        return mailbox;
    }

    public AppendReply Append(
        WriteBatch batch, string app, AppLimits limits, IReadOnlyList<StoredDraft> drafts, IdempotencyClaim? claim)
    {
        var appId = apps.View.Working.Find(app)!.State.Id;
        if (claim is not null && IdempotencyRows.Find(batch.Connection, appId, claim.Key, batch.Now) is { } known)
        {
            return known.Kind == IdempotencyKind.Append && known.Fingerprint.AsSpan().SequenceEqual(claim.Fingerprint.Span)
                ? new AppendReply(WriteStatus.Replayed, AppendResultCodec.Read(known.Body))
                : new AppendReply(WriteStatus.Conflict, []);
        }
        var results = new AppendResult[drafts.Count];
        for (var i = 0; i < results.Length; i++)
        {
            var draft = drafts[i];
            var mailbox = Take(batch, new UserKey(app, draft.User));
            results[i] = AppendOne(batch, mailbox, limits, draft);
        }
        if (claim is not null)
        {
            IdempotencyRows.Put(
                batch.Connection, appId, claim.Key, IdempotencyKind.Append, claim.Fingerprint.Span, 0, batch.Now,
                AppendResultCodec.Write(results));
        }
        return new AppendReply(WriteStatus.Stored, results);
    }

    /// <summary>Makes the row if there is none; <paramref name="cursor"/> -1 = not bound yet.</summary>
    public void EnsureRow(WriteBatch batch, Mailbox mailbox, long cursor)
    {
        var state = mailbox.Working;
        if (!state.IsKnown)
        {
            var id = MailboxRows.Insert(batch.Connection, mailbox.App.Id, mailbox.Key.User, state.Epoch, cursor);
            mailbox.Set(batch, state with { Id = id, Cursor = cursor });
        }
        else if (state.Cursor < 0 && cursor >= 0)
        {
            mailbox.Set(batch, state with { Cursor = cursor });
            ChangeRow(mailbox);
        }
        else
        {
            return;
        }
        if (cursor >= 0)
            counters.CountUser(batch, mailbox.App);
    }

    /// <summary>Data was lost: the same messages go on under the next epoch.</summary>
    public void BeginEpoch(WriteBatch batch, Mailbox mailbox, long clientSeq)
    {
        var state = mailbox.Working;
        SaverLog.EpochChanged(logger, mailbox.Key.ToString(), state.Epoch, clientSeq, state.Top);
        MailboxRows.EndEpoch(batch.Connection, state.Id, state.Epoch, state.Top);
        mailbox.Set(batch, state with { Epoch = state.Epoch + 1 });
        ChangeRow(mailbox);
        batch.AfterCommit(() => metrics.EpochChanges.Add(1));
    }

    /// <summary>Sets a live message aside; nothing when it is not live.</summary>
    public void Park(WriteBatch batch, Mailbox mailbox, long seq)
    {
        var state = mailbox.Working;
        if (!state.IsLive(seq))
            return;
        int size;
        var inTable = seq <= state.TableTop;
        if (inTable)
        {
            using var row = MailboxRows.Between(batch.Connection.Use(MailboxRows.SelectMessages), state.Id, seq, seq);
            if (!row.Step())
                return;
            var payload = row.Blob(4).ToArray();
            size = payload.Length;
            MailboxRows.InsertParkedMessage(
                batch.Connection, state.Id, state.Epoch, seq, (PayloadKind)row.Int(1), row.Long(2), row.Long(3), batch.Now, payload);
            MailboxRows.DeleteWaiting(batch.Connection, state.Id, seq, seq);
        }
        else
        {
            if (mailbox.RecentFrom(seq).FirstOrDefault() is not { } message || message.Seq != seq)
                return;
            size = message.Payload.Length;
            MailboxRows.InsertParkedMessage(
                batch.Connection, state.Id, state.Epoch, seq, message.Kind, message.AcceptedAt, message.ExpiresAt, batch.Now, message.Payload);
        }
        SaverLog.MessageParked(logger, mailbox.Key.ToString(), seq, mailbox.Attempts.Count);
        Remove(batch, mailbox, seq, size, inTable, ResetReason.Poison);
        _parked++;
    }

    /// <summary>Applies what clients told and removes what expired; cheap when there is neither.</summary>
    public void Settle(WriteBatch batch, Mailbox mailbox)
    {
        ApplyNotes(batch, mailbox);
        Expire(batch, mailbox, mailbox.Working.Acked, batch.Now);
    }

    private void Expire(WriteBatch batch, Mailbox mailbox, long behind, long asOf)
    {
        var state = mailbox.Working;
        if (state.Count == 0 || asOf < state.EarliestExpiry)
            return;
        var earliest = long.MaxValue;
        var expired = new List<(long Seq, int Size, bool InTable)>();
        if (state.TableCount > 0)
        {
            using var rows = MailboxRows.Between(
                batch.Connection.Use(MailboxRows.SelectMessageHeads), state.Id, state.Acked + 1, state.TableTop);
            while (rows.Step())
            {
                if (rows.Long(1) <= asOf && MessageId.SeqOf(rows.Long(0)) > behind)
                    expired.Add((MessageId.SeqOf(rows.Long(0)), rows.Int(2), true));
                else
                    earliest = Math.Min(earliest, rows.Long(1));
            }
        }
        foreach (var message in mailbox.RecentFrom(state.Acked + 1))
        {
            if (message.IsExpired(asOf) && message.Seq > behind)
                expired.Add((message.Seq, message.Payload.Length, false));
            else
                earliest = Math.Min(earliest, message.ExpiresAt);
        }
        foreach (var (seq, size, inTable) in expired)
        {
            if (inTable)
                MailboxRows.DeleteWaiting(batch.Connection, state.Id, seq, seq);
            Remove(batch, mailbox, seq, size, inTable, ResetReason.Expired);
        }
        mailbox.Set(batch, mailbox.Working with { EarliestExpiry = earliest });
        _expired += expired.Count;
    }

    /// <summary>The first live message, 0 when there is none.</summary>
    public static long Head(WriteBatch batch, MailboxState state, Mailbox mailbox) => First(batch, state, mailbox).Seq;

    /// <summary>In the transaction, before the writes.</summary>
    public void ApplyAllNotes(WriteBatch batch)
    {
        foreach (var mailbox in table.TakeNoted())
            ApplyNotes(batch, mailbox);
    }

    /// <summary>In the transaction, after the writes: the rows of all changed mailboxes, once each.</summary>
    public void WriteRows(WriteBatch batch)
    {
        foreach (var mailbox in _changed)
        {
            var state = mailbox.Working;
            var (attemptSeq, attempts) = mailbox.Attempts;
            MailboxRows.Update(batch.Connection, state, attemptSeq, attempts);
            mailbox.RowChanged = false;
            var before = mailbox.Committed!.Skips;
            if (before != state.Skips)
                MailboxRows.UpdateSkips(batch.Connection, state.Id, before, state.Skips, batch.Now);
        }
    }

    public void Committed()
    {
        _changed.Clear();
        foreach (var mailbox in _noted)
            mailbox.NotesSettled();
        _noted.Clear();
        metrics.Appended.Add(_appended);
        metrics.Acked.Add(_acked);
        metrics.Overflowed.Add(_overflowed);
        metrics.Expired.Add(_expired);
        metrics.Parked.Add(_parked);
        _appended = _acked = _overflowed = _expired = _parked = 0;
    }

    public void RolledBack()
    {
        foreach (var mailbox in _changed)
            mailbox.RowChanged = false;
        _changed.Clear();
        foreach (var mailbox in _noted)
        {
            lock (mailbox.Gate)
            {
                if (mailbox.MarkNotedLocked())
                    table.AddNoted(mailbox);
            }
            mailbox.NotesSettled();
        }
        _noted.Clear();
        _appended = _acked = _overflowed = _expired = _parked = 0;
    }

    private AppendResult AppendOne(WriteBatch batch, Mailbox mailbox, AppLimits limits, StoredDraft draft)
    {
        EnsureRow(batch, mailbox, -1);
        var state = mailbox.Working;
        var seq = state.Top + 1;
        if (seq > MessageId.MaxSeq)
            throw new InvalidOperationException($"Mailbox {mailbox.Key} has used all of its {MessageId.MaxSeq} sequence numbers.");
        var expiresAt = batch.Now + draft.TimeToLive;
        journal.Append(batch, mailbox, seq, draft.Kind, batch.Now, expiresAt, draft.Payload);
        mailbox.Set(batch, state with
        {
            Top = seq,
            Count = state.Count + 1,
            Bytes = state.Bytes + draft.Payload.Length,
            EarliestExpiry = Math.Min(state.EarliestExpiry, expiresAt),
        });
        _appended++;
        if (IsOver(mailbox.Working, limits))
        {
            // What is dead anyway goes first.
            Expire(batch, mailbox, mailbox.Working.Acked, batch.Now);
            while (IsOver(mailbox.Working, limits))
                DropOldest(batch, mailbox);
        }
        return new AppendResult(mailbox.Working.Epoch, seq, batch.Now, expiresAt);
    }

    private static bool IsOver(MailboxState state, AppLimits limits) =>
        state.Count > limits.MailboxMessages || state.Bytes > limits.MailboxBytes;

    private void DropOldest(WriteBatch batch, Mailbox mailbox)
    {
        var (seq, size, inTable) = First(batch, mailbox.Working, mailbox);
        if (inTable)
            MailboxRows.DeleteWaiting(batch.Connection, mailbox.Working.Id, seq, seq);
        Remove(batch, mailbox, seq, size, inTable, ResetReason.Overflow);
        _overflowed++;
    }

    private static (long Seq, int Size, bool InTable) First(WriteBatch batch, MailboxState state, Mailbox mailbox)
    {
        if (state.Count == 0)
            return default;
        if (state.TableCount > 0)
        {
            using var rows = MailboxRows.Between(
                batch.Connection.Use(MailboxRows.SelectMessageHeads), state.Id, state.Acked + 1, state.TableTop);
            if (rows.Step())
                return (MessageId.SeqOf(rows.Long(0)), rows.Int(2), true);
        }
        var from = state.Acked + 1;
        while (state.Skips.TryFind(from, out var range))
            from = range.To + 1;
        var message = mailbox.RecentFrom(from).First();
        return (message.Seq, message.Payload.Length, false);
    }

    private void Remove(WriteBatch batch, Mailbox mailbox, long seq, int size, bool inTable, ResetReason reason)
    {
        var state = mailbox.Working;
        mailbox.Set(batch, state with
        {
            Count = state.Count - 1,
            Bytes = state.Bytes - size,
            TableCount = state.TableCount - (inTable ? 1 : 0),
            EarliestExpiry = state.Count == 1 ? long.MaxValue : state.EarliestExpiry,
            Skips = state.Skips.Add(seq, seq, reason),
        });
        ChangeRow(mailbox);
    }

    private void ApplyNotes(WriteBatch batch, Mailbox mailbox)
    {
        var notes = mailbox.TakeNotes();
        if (!notes.Any)
            return;
        _noted.Add(mailbox);
        if (notes.ExpiryAt != 0)
            Expire(batch, mailbox, notes.ExpiryBehind, notes.ExpiryAt);
        var state = mailbox.Working;
        if (notes.AckEpoch == state.Epoch && notes.AckSeq > state.Acked)
            Acknowledge(batch, mailbox, Math.Min(notes.AckSeq, state.Top), notes.AckAt);
        state = mailbox.Working;
        if (state.Cursor >= 0 && notes.Cursor > state.Cursor)
        {
            counters.CountAcks(mailbox.App, state.Cursor, notes.Cursor, notes.AckAt);
            mailbox.Set(batch, state with { Cursor = notes.Cursor, LastAckAt = notes.AckAt });
        }
        ChangeRow(mailbox);
    }

    private void Acknowledge(WriteBatch batch, Mailbox mailbox, long seq, long at)
    {
        var state = mailbox.Working;
        var all = seq == state.Top;
        var (tableCount, count, bytes) = (0, 0, 0L);
        if (state.TableCount > 0)
        {
            var to = Math.Min(seq, state.TableTop);
            if (!all)
                (count, bytes) = MailboxRows.SumWaiting(batch.Connection, state.Id, state.Acked + 1, to);
            tableCount = MailboxRows.DeleteWaiting(batch.Connection, state.Id, state.Acked + 1, to);
        }
        if (all)
        {
            (count, bytes) = (state.Count, state.Bytes);
        }
        else
        {
            foreach (var message in mailbox.RecentFrom(state.Acked + 1))
            {
                if (message.Seq > seq)
                    break;
                count++;
                bytes += message.Payload.Length;
            }
        }
        var (skips, forgottenTo) = state.Skips.Trim(seq);
        mailbox.Set(batch, state with
        {
            Acked = seq,
            Count = state.Count - count,
            Bytes = state.Bytes - bytes,
            TableCount = state.TableCount - tableCount,
            EarliestExpiry = state.Count == count ? long.MaxValue : state.EarliestExpiry,
            LastAckAt = at,
            Skips = skips,
            Forgotten = Math.Max(state.Forgotten, forgottenTo),
        });
        _acked += count;
    }

    private void ChangeRow(Mailbox mailbox)
    {
        if (mailbox.RowChanged)
            return;
        mailbox.RowChanged = true;
        _changed.Add(mailbox);
    }
}

/// <summary>A checked draft with its own copy of the payload; time to live in milliseconds.</summary>
internal readonly record struct StoredDraft(string User, PayloadKind Kind, long TimeToLive, byte[] Payload);
