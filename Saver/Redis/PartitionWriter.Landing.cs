using PushSystem.Contracts;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Redis.Operations;
using StackExchange.Redis;

namespace PushSystem.Saver.Redis;

// What the lander and the keeper ask of a partition. Any thread; the work itself is done by operations on the loop.
internal sealed partial class PartitionWriter
{
    private (string? Token, long Jseq, bool IsIdle) _seen;

    public bool HasOrphans => !_owner.IsOwned && _landing.HasWaiters;

    public bool IsDue(long now) => _owner.IsOwned && _landing.IsDue(now);

    public async ValueTask<LandingBatch?> CollectAsync(int items, CancellationToken cancellationToken)
    {
        if (_landing.Unread is not null)
            await RunInternalAsync(new ReadJournalOperation(_landing), cancellationToken);
        var collect = new CollectOperation(
            _landing, items, (upTo, rows) => new LandingBatch(_part, _owner.Epoch, _owner.Fence, long.MaxValue, upTo, rows));
        await RunInternalAsync(collect, cancellationToken);
        // The number is read behind the collection: nothing that landed can be above it, unless redis lost it.
        return collect.Batch is { } batch ? batch with { Jseq = _owner.Jseq } : null;
    }

    public void Settle(in LandingResult result)
    {
        var row = result.Row;
        if (result.Outcome == LandingOutcome.Landed)
        {
            _landing.Landed(result.Batch.Epoch, result.Batch.UpTo);
            Post(new TrimOperation(result.Batch.UpTo));
            return;
        }
        RedisSaverLog.LandingOutcomeSeen(_logger, _part, row.Fence, row.Jseq, row.Epoch, result.Outcome.ToString());
        var (batch, outcome) = (result.Batch, result.Outcome);
        Post(new RetakeOperation(() =>
        {
            // Somebody else may have it by now, or it was taken again meanwhile: then this says nothing any more.
            if (_owner.Fence != batch.Fence)
                return;
            _owner.LeastFence = row.Fence + 1;
            _lost |= outcome == LandingOutcome.Lost;
        }));
    }

    public void Look(PartRow row)
    {
        if (row.Epoch > _owner.Epoch)
            _landing.Forget(row.Epoch);
        else
            _landing.Landed(row.Epoch, row.Jseq);
    }

    /// <summary>
    /// One look of the keeper. An own partition records which data its redis stands on; one that nobody seems to serve although something
    /// is left to do is taken.
    /// </summary>
    public async Task KeepAsync(bool mayAdopt, bool mayBegin, CancellationToken cancellationToken)
    {
        if (_owner.IsOwned)
        {
            _seen = default;
            var dataId = await _link.DataIdAsync(_keys.Meta, cancellationToken);
            if (dataId != _owner.DataId)
            {
                await RunInternalAsync(
                    new MetaOperation("dataId", dataId, () => _owner.DataId != dataId, () => _owner.DataId = dataId), cancellationToken);
            }
            return;
        }
        var look = (RedisResult[])(await _link.EvalAsync(MailboxScripts.Look, [_keys.Meta, _keys.Journal], [], cancellationToken))!;
        var (token, jseq) = ((string?)look[0], look[1].IsNull ? 0 : (long)look[1]);
        var isUnfinished = !look[2].IsNull && ((long)look[4] > 0 || look[3].IsNull || (long)look[3] != (long)look[2]);
        // redis has nothing of the partition: it is new, or was forgotten. It is begun while the landing tier answers, so that an outage of
        // that one later stops nobody, and at once if this process still knows something that has not landed.
        var isForgotten = look[2].IsNull && (mayBegin || _owner.Jseq > 0);
        var isIdle = _seen.IsIdle && _seen.Token == token && _seen.Jseq == jseq;
        _seen = (token, jseq, isUnfinished);
        if (!isForgotten && !(isUnfinished && isIdle && mayAdopt))
            return;
        RedisSaverLog.Adopted(_logger, _part);
        await RunInternalAsync(new TouchOperation([], ownerOnly: false), cancellationToken);
    }

    /// <summary>Queues and forgets: what comes of it shows elsewhere.</summary>
    private void Post(MailboxOperation operation)
    {
        lock (_lock)
        {
            if (_closed)
                return;
            EnqueueLocked(operation);
        }
        _ = operation.Done.ContinueWith(
            static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        _wake.Writer.TryWrite(true);
    }
}
