using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// <see cref="IMailboxes"/> over SQLite. Any thread: what is in memory is answered from there, cold mailboxes through a reader, changes
/// through the writer. Lives as long as the store.
/// </summary>
internal sealed class SqlMailboxes(
    AppTable apps, MailboxTable table, MailboxWriter mailboxWriter, MailboxOpener opener, MailboxReader mailboxReader,
    GroupCommitWriter writer, ReaderPool readers, SaverOptions options, SaverMetrics metrics, TimeProvider clock, uint firstEpoch)
    : IMailboxes
{
    private const int DraftOverhead = 256;
    private const int KeyOverhead = 128;
    // A read that meets a commit which is not visible yet waits for the next batch; more than a few times cannot be that.
    private const int ReadAttempts = 4;

    private static readonly IReadOnlySet<Durability> OfferedLevels = new HashSet<Durability> { Durability.Durable };

    public IReadOnlySet<Durability> Levels => OfferedLevels;

    private long Now => clock.GetUtcNow().ToUnixTimeMilliseconds();

    public async ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Level != Durability.Durable)
            return new AppendReply(WriteStatus.LevelUnavailable, []);
        var limits = apps.Require(request.App).Record.Limits;
        var count = request.Messages.Count;
        if (count == 0 || count > options.AppendMessages)
            throw new ArgumentException($"messages: {count}, allowed are 1 to {options.AppendMessages}", nameof(request));
        var claim = IdempotencyRows.Check(request.Claim);
        var drafts = new StoredDraft[count];
        long bytes = 0;
        for (var i = 0; i < count; i++)
        {
            drafts[i] = Check(request.Messages[i], limits, i);
            bytes += drafts[i].Payload.Length + DraftOverhead;
        }
        var app = request.App;
        var task = writer.TryRunAsync(
            (int)Math.Min(bytes, int.MaxValue), batch => mailboxWriter.Append(batch, app, limits, drafts, claim), cancellationToken);
        return task is null ? new AppendReply(WriteStatus.Overloaded, []) : await task;
    }

    public async ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(requests);
        cancellationToken.ThrowIfCancellationRequested();
        var replies = new OpenReply[requests.Count];
        List<int>? cold = null;
        for (var i = 0; i < replies.Length; i++)
        {
            CheckKey(requests[i].Key);
            if (Open(requests[i], Now, null, out replies[i]) != OpenOutcome.Done)
                (cold ??= []).Add(i);
        }
        if (cold is null)
        {
            WakeIfWanted();
            return replies;
        }
        var writes = await readers.ReadAsync((this, requests, replies, cold, Now), static (connection, work) =>
        {
            var (self, requests, replies, cold, now) = work;
            return cold.FindAll(i => self.Open(requests[i], now, connection, out replies[i]) != OpenOutcome.Done);
        }, cancellationToken);
        if (writes.Count > 0)
        {
            await writer.RunAsync(KeyOverhead * writes.Count, batch =>
            {
                foreach (var i in writes)
                    replies[i] = OpenWriting(batch, requests[i]);
                return true;
            }, cancellationToken);
        }
        WakeIfWanted();
        return replies;
    }

    public async ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken)
    {
        CheckKey(request.Key);
        if (request.MaxMessages < 1)
            throw new ArgumentException($"maxMessages: {request.MaxMessages} must be at least 1", nameof(request));
        if (request.MaxBytes < 1)
            throw new ArgumentException($"maxBytes: {request.MaxBytes} must be at least 1", nameof(request));
        cancellationToken.ThrowIfCancellationRequested();
        for (var attempt = 1; ; attempt++)
        {
            var last = attempt == ReadAttempts;
            var outcome = Read(request, Now, null, last, out var reply);
            if (outcome is ReadOutcome.NeedsConnection)
            {
                (outcome, reply) = await readers.ReadAsync((this, request, Now, last), static (connection, work) =>
                {
                    var (self, request, now, last) = work;
                    return (self.Read(request, now, connection, last, out var reply), reply);
                }, cancellationToken);
            }
            if (outcome == ReadOutcome.Done)
                return reply;
            if (outcome == ReadOutcome.Unsettled)
                await writer.FlushAsync(cancellationToken);
        }
    }

    public async ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(acks);
        cancellationToken.ThrowIfCancellationRequested();
        List<AckEntry>? cold = null;
        foreach (var ack in acks)
        {
            if (!Acknowledge(ack, null))
                (cold ??= []).Add(ack);
        }
        if (cold is not null)
        {
            await readers.ReadAsync((this, cold), static (connection, work) =>
            {
                foreach (var ack in work.cold)
                    work.Item1.Acknowledge(ack, connection);
                return true;
            }, cancellationToken);
        }
        WakeIfWanted();
    }

    public async ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        CheckKey(key);
        return await writer.RunAsync(KeyOverhead, batch =>
        {
            var mailbox = mailboxWriter.Take(batch, key);
            mailboxWriter.Settle(batch, mailbox);
            if (mailbox.Working.Epoch == epoch && MailboxWriter.Head(batch, mailbox.Working, mailbox) == seq)
                mailboxWriter.Park(batch, mailbox, seq);
            return opener.Position(batch, mailbox);
        }, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        cancellationToken.ThrowIfCancellationRequested();
        var positions = new StreamPosition[keys.Count];
        List<int>? cold = null;
        for (var i = 0; i < positions.Length; i++)
        {
            var app = apps.Find(keys[i].App);
            if (app is null)
                continue;
            if (table.Get(keys[i], app.State).Committed is { } state)
                positions[i] = PositionOf(state);
            else
                (cold ??= []).Add(i);
        }
        if (cold is not null)
        {
            await readers.ReadAsync((this, keys, positions, cold), static (connection, work) =>
            {
                var (self, keys, positions, cold) = work;
                foreach (var i in cold)
                    positions[i] = PositionOf(self.Load(keys[i], connection).Committed!);
                return true;
            }, cancellationToken);
            WakeIfWanted();
        }
        return positions;
    }

    public async ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var mailbox = await SettleAsync(key, cancellationToken);
            var (found, status) = await readers.ReadAsync(
                (this, mailbox, epoch, seq), static (connection, work) =>
                    MailboxLookup.Find(work.mailbox, work.epoch, work.seq, work.Item1.Now, connection), cancellationToken);
            if (found || attempt == ReadAttempts)
                return status;
            await writer.FlushAsync(cancellationToken);
        }
    }

    public async ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken)
    {
        var mailbox = await SettleAsync(key, cancellationToken);
        var state = mailbox.Committed!;
        if (!state.IsKnown)
            return null;
        var oldest = state.Count == 0 ? 0 : await readers.ReadAsync(
            mailbox, static (connection, mailbox) => MailboxLookup.OldestAt(mailbox, connection), cancellationToken);
        return new MailboxSummary(state.Epoch, state.Acked, state.Top, state.Count, state.Bytes, oldest, state.LastAckAt);
    }

    /// <summary>The mailbox, loaded, after everything that waits to be committed for it.</summary>
    private async ValueTask<Mailbox> SettleAsync(UserKey key, CancellationToken cancellationToken)
    {
        CheckKey(key);
        var mailbox = await readers.ReadAsync((this, key), static (connection, work) => work.Item1.Load(work.key, connection), cancellationToken);
        bool waits;
        lock (mailbox.Gate)
        {
            if (mailbox.Committed is { Count: > 0 } state && state.EarliestExpiry <= Now && !mailbox.IsEvictedLocked)
            {
                mailbox.NoteExpiryLocked(state, Now);
                if (mailbox.MarkNotedLocked())
                    table.AddNoted(mailbox);
            }
            waits = mailbox.HasNotesLocked;
        }
        if (waits)
            await writer.FlushAsync(cancellationToken);
        return mailbox;
    }

    private OpenReply OpenWriting(WriteBatch batch, in OpenRequest request)
    {
        var mailbox = mailboxWriter.Take(batch, request.Key);
        var limits = apps.View.Working.Find(request.Key.App)!.Record.Limits;
        // Each turn but the last commits one thing that the opening needs; a parked head has a successor with no attempts.
        while (true)
        {
            switch (opener.TryOpen(mailbox, limits, request, batch.Now, batch.Connection, writing: true, out var reply))
            {
                case OpenOutcome.Done:
                    return reply;
                case OpenOutcome.NewUser:
                    mailboxWriter.EnsureRow(batch, mailbox, mailbox.App.Log.Committed.Released);
                    break;
                case OpenOutcome.NewEpoch:
                    mailboxWriter.BeginEpoch(batch, mailbox, request.Mailbox.Seq);
                    break;
                case OpenOutcome.Park:
                    mailboxWriter.Settle(batch, mailbox);
                    mailboxWriter.Park(batch, mailbox, opener.Position(batch, mailbox).Seq + 1);
                    break;
                default:
                    throw new InvalidOperationException($"Mailbox {request.Key} was dropped inside a batch.");
            }
        }
    }

    private OpenOutcome Open(in OpenRequest request, long now, RawConnection? connection, out OpenReply reply)
    {
        var app = apps.Require(request.Key.App);
        while (true)
        {
            var mailbox = table.Get(request.Key, app.State);
            if (connection is not null)
                mailbox.EnsureLoaded(connection, firstEpoch);
            var outcome = opener.TryOpen(mailbox, app.Record.Limits, request, now, connection, writing: false, out reply);
            if (outcome != OpenOutcome.Again)
                return outcome;
        }
    }

    private ReadOutcome Read(in ReadRequest request, long now, RawConnection? connection, bool last, out ReadReply reply)
    {
        var app = apps.Require(request.Key.App);
        while (true)
        {
            var mailbox = table.Get(request.Key, app.State);
            if (connection is not null)
                mailbox.EnsureLoaded(connection, firstEpoch);
            var outcome = mailboxReader.TryRead(mailbox, request, now, connection, last, out reply);
            if (outcome != ReadOutcome.Again)
                return outcome;
        }
    }

    private Mailbox Load(UserKey key, RawConnection connection)
    {
        var mailbox = table.Get(key, apps.Require(key.App).State);
        mailbox.EnsureLoaded(connection, firstEpoch);
        return mailbox;
    }

    /// <summary>False: not in memory, repeat with a connection.</summary>
    private bool Acknowledge(in AckEntry ack, RawConnection? connection)
    {
        if (apps.Find(ack.Key.App) is not { } app)
        {
            metrics.AcksIgnored.Add(1);
            return true;
        }
        while (true)
        {
            var mailbox = table.Get(ack.Key, app.State);
            if (connection is not null)
                mailbox.EnsureLoaded(connection, firstEpoch);
            lock (mailbox.Gate)
            {
                if (mailbox.IsEvictedLocked)
                    continue;
                if (mailbox.Committed is not { } state)
                    return false;
                if (!NoteAck(mailbox, state, ack))
                    metrics.AcksIgnored.Add(1);
                else if (mailbox.MarkNotedLocked())
                    table.AddNoted(mailbox);
                return true;
            }
        }
    }

    /// <summary>The caller holds the gate. False: ignored.</summary>
    private bool NoteAck(Mailbox mailbox, MailboxState state, in AckEntry ack)
    {
        if (ack.Stream == StreamKind.Mailbox)
        {
            if (ack.Epoch != state.Epoch || ack.Seq > state.Top || ack.Seq <= mailbox.AckedLocked(state))
                return false;
            mailbox.NoteAckLocked(ack.Epoch, ack.Seq, Now);
            return true;
        }
        var log = mailbox.App.Log.Committed;
        if (state.Cursor < 0 || ack.Epoch != log.Epoch || ack.Seq > log.Top || ack.Seq <= mailbox.CursorLocked(state))
            return false;
        mailbox.NoteCursorLocked(ack.Seq, Now);
        return true;
    }

    private void WakeIfWanted()
    {
        if (table.NotedCount >= options.AckFlushCount || table.IsOverfull)
            writer.RequestFlush();
    }

    private void CheckKey(UserKey key)
    {
        apps.Require(key.App);
        StoredText.CheckUser(key.User);
    }

    private static StreamPosition PositionOf(MailboxState state) =>
        state.IsKnown ? new StreamPosition(state.Epoch, state.Top) : default;

    private static StoredDraft Check(MessageDraft draft, AppLimits limits, int index)
    {
        try
        {
            StoredText.CheckUser(draft.User);
            if (draft.Payload.Length > limits.MailboxBytes)
            {
                throw new ArgumentException(
                    $"payload: {draft.Payload.Length} bytes, the app's limit mailboxBytes is {limits.MailboxBytes}");
            }
            return new StoredDraft(
                draft.User, draft.Kind, StoredText.TimeToLive(draft.TimeToLive, limits), StoredText.Payload(draft.Payload, limits));
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException($"messages[{index}].{exception.Message}", exception);
        }
    }
}
