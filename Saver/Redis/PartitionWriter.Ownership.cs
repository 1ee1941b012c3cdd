using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Redis.Operations;

namespace PushSystem.Saver.Redis;

// Taking the partition, and what follows when data was lost. The loop, except where said.
internal sealed partial class PartitionWriter
{
    private const int MostFences = 4;
    private const int BucketsPerScan = 32;

    private bool _lost;
    private Task _filling = Task.CompletedTask;
    private CancellationTokenSource? _stopFilling;

    private async Task EnsureOwnedAsync(Round round)
    {
        if (_owner.IsOwned)
            return;
        for (var fences = 0; fences < MostFences; fences++)
        {
            // What the landing tier may be given out of memory was journaled under this fence.
            var (fence, epoch) = (_owner.Fence, _owner.Epoch);
            var taken = await _owner.TakeAsync(_stopping.Token);
            var loss = taken.Loss ?? (_lost ? "the landing tier has seen what redis does not have" : null);
            if (loss is null)
            {
                await AcceptAsync(round, taken);
                return;
            }
            _doubt = null;
            if (await RecoverAsync(loss, taken.IsRewind || taken.Loss is null, fence, epoch))
                return;
        }
        throw new StoreUnavailableException($"Partition {_part}: others took it while its epoch was to be begun.");
    }

    private async Task AcceptAsync(Round round, Taken taken)
    {
        var known = _owner.Jseq;
        _table.Clear();
        _owner.Accept(taken.Jseq);
        if (taken.IsSame && _doubt is { } doubt && known == doubt.Jseq && taken.Jseq == known + 1)
        {
            // Its answer was lost, the batch was not. What it was to read is asked for again.
            _landing.Add(taken.Jseq, doubt.Batch.Landing);
            doubt.Batch.ApplyWithoutAnswer();
            Finish(round, doubt.Batch, [.. doubt.Executed.Where(operation => operation.Writes)], doubt.Partial);
        }
        else if (!taken.IsSame || taken.Jseq != known)
        {
            if (_doubt is { } lost && !taken.IsSame)
                FailDoubtful(round, lost);
            _landing.Reread(taken.Jseq);
        }
        _doubt = null;
        RedisSaverLog.Taken(_logger, _part, _owner.Fence, _owner.Epoch, taken.Jseq);
        if (_owner.DataId != _owner.MeasuredDataId)
        {
            var batch = NewBatch();
            batch.SetMeta("dataId", _owner.MeasuredDataId);
            await SendAsync(batch);
            _owner.DataId = _owner.MeasuredDataId;
        }
        await StartFillingAsync();
        _wakeLander();
    }

    /// <summary>Others wrote in between: whether the batch was applied cannot be known any more.</summary>
    private static void FailDoubtful(Round round, Doubt doubt)
    {
        foreach (var operation in doubt.Executed.Append(doubt.Partial).OfType<MailboxOperation>().Where(operation => operation.Writes))
        {
            if (round.Operations.Remove(operation))
                operation.Fail(new StoreUnavailableException("redis did not answer; whether it was stored is not known."));
        }
    }

    /// <summary>Begins a new epoch; false when somebody else has a higher fence.</summary>
    private async Task<bool> RecoverAsync(string loss, bool isRewind, long formerFence, uint formerEpoch)
    {
        await StopFillingAsync();
        await LandMemoryAsync(formerFence, formerEpoch);
        var row = await _store.BeginEpochAsync(
            _part, Math.Max(_owner.RedisEpoch, _owner.Epoch), _owner.Fence, _owner.Jseq, _stopping.Token);
        if (row.Fence > _owner.Fence)
        {
            _owner.LeastFence = row.Fence + 1;
            return false;
        }
        if (!await _owner.BeginEpochAsync(row, _stopping.Token))
            return false;
        _lost = false;
        if (row.Epoch > 1 && isRewind)
            _metrics.Rewinds.Add(1);
        _table.Clear();
        _landing.Forget(row.Epoch);
        if (row.Epoch > 1)
        {
            RedisSaverLog.EpochBegun(_logger, _part, row.Epoch, loss);
            _metrics.EpochChanges.Add(1);
        }
        else
        {
            RedisSaverLog.PartitionCreated(_logger, _part);
        }
        await StartFillingAsync();
        return true;
    }

    /// <summary>What the journal of a lost redis had and this process still knows goes to the landing tier, under the old fence.</summary>
    private async Task LandMemoryAsync(long fence, uint epoch)
    {
        while (fence != 0 && _landing.Unread is null)
        {
            var (items, upTo) = _landing.Peek(_options.LandingRows);
            if (upTo < 0)
                return;
            var rows = new List<LandingRow>();
            foreach (var group in items.GroupBy(item => PackedUser.Read(item.User)))
            {
                var mailbox = _table.Find(group.Key);
                var messages = group.Where(item => item is { Kind: LandingKind.Message, Packed: not null } && mailbox?.IsLive(item.Seq) != false).ToList();
                var state = mailbox;
                if (state is null && messages.Count > 0
                    && (await _store.ReadAsync(_part, [group.Key], _stopping.Token)).GetValueOrDefault(group.Key)?.State is null)
                {
                    state = new HotMailbox(group.Key, messages[0].User, 0, epoch * EpochEnd.Stride)
                    {
                        Acked = messages[0].Seq - 1,
                        Top = messages[^1].Seq,
                        Count = 0,
                    };
                }
                byte[]? packed = null;
                if (state is not null)
                {
                    state.LandedTop = Math.Max(state.LandedTop, messages.Count > 0 ? messages[^1].Seq : 0);
                    _packed.Clear();
                    PackedState.Write(_packed, state);
                    packed = _packed.ToArray();
                }
                rows.Add(new LandingRow(group.First().User, packed, 0, messages, [.. group.Where(item => item.Kind == LandingKind.Parked)]));
            }
            var batch = new LandingBatch(_part, epoch, fence, long.MaxValue, upTo, rows);
            var result = (await _landingWriter.LandAsync([batch], _stopping.Token))[0];
            RedisSaverLog.MemoryLanded(_logger, _part, items.Count, result.Outcome.ToString());
            if (result.Outcome != LandingOutcome.Landed)
                return;
            _landing.Landed(epoch, upTo);
        }
    }

    /// <summary>Installs mailboxes of a former epoch again, out of redis and the landing tier.</summary>
    private async Task InstallAsync(HotMailbox[] old)
    {
        var landed = await _store.ReadAsync(_part, [.. old.Select(mailbox => mailbox.Key)], _stopping.Token);
        var lists = new Dictionary<UserKey, byte[][]>();
        var reads = NewBatch();
        foreach (var mailbox in old.Where(mailbox => mailbox is { IsKnown: true, Count: > 0 }))
            reads.ReadRange(mailbox, 0, -1, messages => lists[mailbox.Key] = messages);
        if (!reads.IsEmpty)
            await SendAsync(reads);
        var batch = NewBatch();
        foreach (var mailbox in old)
        {
            var there = landed.GetValueOrDefault(mailbox.Key);
            HotMailbox? landedState = null;
            if (there?.State is { } state)
            {
                landedState = NewMailbox(mailbox.Key);
                PackedState.Read(state, landedState);
            }
            var fresh = NewMailbox(mailbox.Key);
            var messages = MailboxRecovery.Merge(
                fresh, mailbox.IsKnown ? mailbox : null, lists.GetValueOrDefault(mailbox.Key) ?? [], landedState, there?.Messages ?? []);
            if (messages is null)
                continue;
            Install(batch, mailbox, fresh, messages, there?.Messages ?? []);
        }
        if (batch.IsEmpty)
            return;
        await SendAsync(batch);
        _metrics.Refilled.Add(batch.Refilled);
    }

    private void Install(HotBatch batch, HotMailbox former, HotMailbox fresh, List<byte[]> messages, SortedList<long, byte[]> landed)
    {
        batch.DeleteList(former);
        (fresh.Count, fresh.Bytes, fresh.Heads) = (0, 0, []);
        foreach (var packed in messages)
        {
            MailboxChanges.Install(batch, fresh, packed);
            var seq = PackedMessage.Seq(packed);
            if (!landed.ContainsKey(seq))
                batch.Landing.Add(new LandingItem(LandingKind.Message, fresh.Field, seq, 0, packed));
        }
        if (fresh.Cursor >= 0)
            batch.CountUser(fresh.Key.App);
        batch.JournalState(fresh);
        batch.Change(fresh);
        batch.Refilled++;
        _table.Put(fresh);
    }

    private async Task StartFillingAsync()
    {
        await StopFillingAsync();
        if (_owner.IsFull)
            return;
        _stopFilling = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var token = _stopFilling.Token;
        _filling = Task.Run(() => FillAsync(_owner.Epoch, token), CancellationToken.None);
    }

    private async Task StopFillingAsync()
    {
        if (_stopFilling is null)
            return;
        await _stopFilling.CancelAsync();
        await _filling;
        _stopFilling.Dispose();
        _stopFilling = null;
    }

    /// <summary>Own task: walks over the landed users and over what redis has, until every mailbox is of this epoch.</summary>
    private async Task FillAsync(uint epoch, CancellationToken cancellationToken)
    {
        // Ends with the ownership; whoever owns the partition next begins again.
        while (!cancellationToken.IsCancellationRequested && _owner.IsOwned && _owner.Epoch == epoch)
        {
            try
            {
                var last = new UserKey("", "");
                while (await _store.UsersAsync(_part, last, _options.FillUsers, cancellationToken) is { Count: > 0 } users)
                {
                    await RunInternalAsync(new TouchOperation(users), cancellationToken);
                    last = users[^1];
                }
                for (var bucket = 0; bucket < _owner.Buckets; bucket += BucketsPerScan)
                {
                    var scan = new ScanOperation(bucket, Math.Min(bucket + BucketsPerScan, _owner.Buckets), epoch * EpochEnd.Stride);
                    await RunInternalAsync(scan, cancellationToken);
                    foreach (var users in scan.Old.Chunk(_options.FillUsers))
                        await RunInternalAsync(new TouchOperation(users), cancellationToken);
                }
                await RunInternalAsync(
                    new MetaOperation("full", epoch, () => _owner.Epoch == epoch, () => _owner.IsFull = true), cancellationToken);
                if (_owner.Epoch == epoch && _owner.IsFull)
                    RedisSaverLog.Filled(_logger, _part, epoch);
                return;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (StoreUnavailableException exception)
            {
                RedisSaverLog.FillFailed(_logger, _part, exception);
            }
            catch (Exception exception)
            {
                RedisSaverLog.BatchFailed(_logger, _part, exception);
            }
            try
            {
                await Task.Delay(_options.LandingRetry, _time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
