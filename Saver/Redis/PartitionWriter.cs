using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Redis.Operations;

namespace PushSystem.Saver.Redis;

/// <summary>
/// One partition: what waits, and the loop that does it, one batch in flight. Any thread adds operations and acknowledgements; the loop
/// alone touches the mailboxes and the ownership. Owned and disposed by <see cref="RedisMailboxes"/>.
/// </summary>
internal sealed partial class PartitionWriter : ILandingSource, IAsyncDisposable
{
    private readonly int _part;
    private readonly PartitionKeys _keys;
    private readonly IRedisLink _link;
    private readonly LandingStore _store;
    private readonly LandingWriter _landingWriter;
    private readonly ClusterSaverOptions _options;
    private readonly RedisSaverMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly PartitionOwner _owner;
    private readonly HotTable _table;
    private readonly PartitionLanding _landing;
    private readonly Broadcasts.IBroadcastView _broadcasts;
    private readonly Action _wakeLander;
    private readonly Action _wakeKeeper;

    private readonly Lock _lock = new();
    private readonly Queue<MailboxOperation> _queue = new();
    private Dictionary<AckSlot, long> _acks = [];
    private long _queuedBytes;
    private bool _acksDue;
    private bool _closed;
    private readonly ITimer _ackTimer;
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    public PartitionWriter(int part, PartitionServices services, Action wakeLander, Action wakeKeeper)
    {
        _part = part;
        (_link, _store, _landingWriter) = (services.Link, services.Store, services.LandingWriter);
        (_options, _metrics, _time, _logger) = (services.Options, services.Metrics, services.Time, services.Logger);
        (_broadcasts, _wakeLander, _wakeKeeper) = (services.Broadcasts, wakeLander, wakeKeeper);
        _keys = new PartitionKeys(part);
        _owner = new PartitionOwner(part, _keys, _link, services.NodeId, _options, _time);
        _table = new HotTable(Math.Max(1, _options.CachedMailboxes / services.Partitions), _time, _logger);
        _landing = new PartitionLanding(_options, services.Totals, _time);
        _ackTimer = _time.CreateTimer(_ => AcksAreDue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _loop = Task.Run(RunAsync);
    }

    public PartitionOwner Owner => _owner;

    public PartitionLanding Landing => _landing;

    private long Now => _time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>False: there is no room (nothing was queued). Throws when the store is stopping.</summary>
    public bool TryAdd(MailboxOperation operation)
    {
        lock (_lock)
        {
            ThrowIfClosed();
            if (_queue.Count >= _options.QueueOperations || (_queue.Count > 0 && _queuedBytes + operation.Cost > _options.QueueBytes))
            {
                _metrics.Refused.Add(1);
                return false;
            }
            EnqueueLocked(operation);
        }
        _wake.Writer.TryWrite(true);
        return true;
    }

    /// <summary>Queues and waits until redis has applied it. Throws <see cref="StoreUnavailableException"/>.</summary>
    public async Task RunAsync(MailboxOperation operation, CancellationToken cancellationToken)
    {
        if (!TryAdd(operation))
            throw new StoreUnavailableException($"Partition {_part} has {_options.QueueOperations} requests waiting.");
        await operation.Done.WaitAsync(cancellationToken);
    }

    /// <summary>The store's own work is not refused for lack of room.</summary>
    public Task RunInternalAsync(MailboxOperation operation, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            ThrowIfClosed();
            EnqueueLocked(operation);
        }
        _wake.Writer.TryWrite(true);
        return operation.Done.WaitAsync(cancellationToken);
    }

    /// <summary>Takes an acknowledgement; it is applied with the next batch, at the latest after the linger. False: there is no room.</summary>
    public bool TryAcknowledge(in AckEntry ack)
    {
        bool wake;
        lock (_lock)
        {
            ThrowIfClosed();
            var slot = new AckSlot(ack.Key, ack.Stream, ack.Epoch);
            if (!_acks.TryGetValue(slot, out var seq) && _acks.Count >= _options.AckQueue)
            {
                _metrics.Refused.Add(1);
                return false;
            }
            _acks[slot] = Math.Max(seq, ack.Seq);
            wake = _acks.Count >= _options.AckBatch;
            _acksDue |= wake;
            if (_acks.Count == 1)
                _ackTimer.Change(_options.AckLinger, Timeout.InfiniteTimeSpan);
        }
        if (wake)
            _wake.Writer.TryWrite(true);
        return true;
    }

    /// <summary>Refuses new work, finishes what is queued, and ends the loop.</summary>
    public async Task CloseAsync()
    {
        lock (_lock)
        {
            _closed = true;
            _acksDue = true;
        }
        await _ackTimer.DisposeAsync();
        _wake.Writer.TryWrite(true);
        _wake.Writer.TryComplete();
        await _loop;
        await StopFillingAsync();
        _landing.Stop();
    }

    /// <summary>Applies what acknowledgements wait, and everything queued before.</summary>
    public Task FlushAsync(CancellationToken cancellationToken)
    {
        AcksAreDue();
        bool acks;
        lock (_lock)
            acks = _acks.Count > 0;
        return _owner.IsOwned || acks ? RunInternalAsync(new TouchOperation([], ownerOnly: !acks), cancellationToken) : Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await CloseAsync();
        _stopping.Dispose();
    }

    private void AcksAreDue()
    {
        lock (_lock)
            _acksDue = _acks.Count > 0;
        _wake.Writer.TryWrite(true);
    }

    private void ThrowIfClosed()
    {
        if (_closed)
            throw new StoreUnavailableException("The store is stopping.");
    }

    private void EnqueueLocked(MailboxOperation operation)
    {
        operation.QueuedAt = _time.GetTimestamp();
        _queue.Enqueue(operation);
        _queuedBytes += operation.Cost;
    }

    private async Task RunAsync()
    {
        try
        {
            while (await _wake.Reader.WaitToReadAsync())
            {
                _wake.Reader.TryRead(out _);
                while (TakeRound() is { } round)
                    await ProcessAsync(round);
            }
        }
        catch (Exception exception)
        {
            RedisSaverLog.LoopEnded(_logger, $"partition {_part}", exception);
            lock (_lock)
                _closed = true;
            while (TakeRound() is { } round)
                round.Fail(new StoreUnavailableException("The partition's loop ended.", exception));
            throw;
        }
    }

    /// <summary>What the next batch is made of; null when nothing is due.</summary>
    private Round? TakeRound()
    {
        lock (_lock)
        {
            if (_queue.Count == 0 && !(_acksDue && _acks.Count > 0))
                return null;
            var round = new Round(_acks);
            _acks = [];
            _acksDue = false;
            long bytes = 0;
            while (_queue.TryPeek(out var operation) && round.Operations.Count < _options.BatchOperations
                && (round.Operations.Count == 0 || bytes + operation.Cost <= _options.BatchBytes))
            {
                round.Operations.Add(_queue.Dequeue());
                bytes += operation.Cost;
            }
            _queuedBytes -= bytes;
            return round;
        }
    }

    /// <summary>Acknowledgements outlive a failure: they only go forward.</summary>
    private void PutBack(Dictionary<AckSlot, long> acks)
    {
        if (acks.Count == 0)
            return;
        lock (_lock)
        {
            foreach (var (slot, seq) in acks)
            {
                if (_acks.Count < _options.AckQueue)
                    _acks[slot] = Math.Max(_acks.GetValueOrDefault(slot), seq);
            }
            if (!_closed)
                _ackTimer.Change(_options.AckLinger, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task ProcessAsync(Round round)
    {
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                FailLate(round);
                if (!_owner.IsOwned)
                    FailOwnersOnly(round);
                if (round.IsEmpty)
                    return;
                try
                {
                    await EnsureOwnedAsync(round);
                    await ExecuteAsync(round);
                    return;
                }
                catch (BatchRefusedException refused)
                {
                    _owner.Lose();
                    _metrics.FencesLost.Add(1);
                    RedisSaverLog.BatchRefused(_logger, _part, refused.Code);
                    if (attempt >= MostAttempts)
                        throw new StoreUnavailableException($"Partition {_part} is taken by others again and again.");
                    if (attempt > 1)
                        await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(1, 4 * attempt)), _time, _stopping.Token);
                }
                catch (RedisUnavailableException) when (_doubt is not null && attempt == 1)
                {
                    // The batch may be applied or not: taking the partition shows which, and keeps it from being applied later.
                    _owner.Lose();
                }
            }
        }
        catch (Exception exception)
        {
            _owner.Lose();
            _doubt = null;
            PutBack(round.Acks);
            if (exception is not (RedisUnavailableException or StoreUnavailableException or OperationCanceledException))
                RedisSaverLog.BatchFailed(_logger, _part, exception);
            round.Fail(exception as StoreUnavailableException
                ?? new StoreUnavailableException($"Partition {_part}: {exception.Message}", exception));
            _wakeKeeper();
        }
    }

    /// <summary>Who has waited too long is told so; it has not been done.</summary>
    private void FailLate(Round round)
    {
        foreach (var operation in round.Operations.Where(operation => _time.GetElapsedTime(operation.QueuedAt) > _options.OperationTimeout).ToList())
        {
            round.Operations.Remove(operation);
            operation.Fail(new StoreUnavailableException($"Partition {_part}: redis did not answer within {_options.OperationTimeout}."));
        }
    }

    private void FailOwnersOnly(Round round)
    {
        foreach (var operation in round.Operations.Where(operation => operation.IsOwnersOnly).ToList())
        {
            round.Operations.Remove(operation);
            operation.Fail(new StoreUnavailableException($"Partition {_part} is not owned any more."));
        }
        if (round.IsEmpty)
            _wakeKeeper();
    }

    private const int MostAttempts = 30;

    /// <summary>Acknowledgements and operations of one turn; what is done leaves it.</summary>
    private sealed class Round(Dictionary<AckSlot, long> acks)
    {
        public Dictionary<AckSlot, long> Acks { get; } = acks;
        public List<MailboxOperation> Operations { get; } = [];

        public bool IsEmpty => Acks.Count == 0 && Operations.Count == 0;

        public void Fail(Exception exception)
        {
            foreach (var operation in Operations)
                operation.Fail(exception);
            Operations.Clear();
        }
    }
}

/// <summary>Acknowledgements of one stream and epoch; only the highest counts.</summary>
internal readonly record struct AckSlot(UserKey Key, StreamKind Stream, uint Epoch);

/// <summary>What the partitions of a process share.</summary>
internal sealed record PartitionServices(
    IRedisLink Link, LandingStore Store, LandingWriter LandingWriter, LandingTotals Totals, int Partitions, string NodeId,
    ClusterSaverOptions Options, RedisSaverMetrics Metrics, TimeProvider Time, ILogger Logger, Broadcasts.IBroadcastView Broadcasts);
