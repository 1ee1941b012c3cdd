using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;

namespace PushSystem.Transport.Shards;

/// <summary>
/// What every engine consists of besides its way to accept: shards, the one timer behind all deadlines, the pool of queues and
/// the bounds that hold over all shards. It owns them; the engine that made it starts, stops and disposes it; counters and
/// pool may be used from any thread.
/// </summary>
internal sealed class EngineCore : IAsyncDisposable
{
    private const int MaxPooledQueues = 4096;
    private const long LimitWarningMilliseconds = 10_000;

    private readonly TimeProvider _time;
    private readonly DefaultObjectPool<PipeQueue> _queues = new(new DefaultPooledObjectPolicy<PipeQueue>(), MaxPooledQueues);
    private readonly Shard[] _shards;
    private ITimer? _timer;
    private int _connections;
    private int _rentedQueues;
    private long _queuedOutput;
    private long _tickPosted;
    private long _limitWarned;

    /// <param name="inline">Turns run only inside <see cref="RunUntilIdle"/>, on its caller's thread.</param>
    public EngineCore(TransportOptions options, ILoggerFactory loggers, TimeProvider time, string category, bool inline)
    {
        options.Validate();
        ConnectionLimit = options.MaxConnections;
        Options = options;
        Logger = loggers.CreateLogger(category);
        _time = time;
        Clock = new MonotonicClock(time);
        Metrics = new TransportMetrics(this);
        _shards = new Shard[options.Shards];
        for (var index = 0; index < _shards.Length; index++)
            _shards[index] = new Shard(this, index, inline);
    }

    public TransportOptions Options { get; }

    public ILogger Logger { get; }

    public MonotonicClock Clock { get; }

    public TransportMetrics Metrics { get; }

    public IReadOnlyList<Shard> Shards => _shards;

    /// <summary>Connections that may be open at a time: <see cref="TransportOptions.MaxConnections"/>, or fewer where the engine
    /// knows that the process cannot hold as many. Set before the start.</summary>
    public int ConnectionLimit { get; set; }

    /// <summary>Connections that hold a place under the limit: accepted and not yet closed.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Queues that hold waiting bytes now; 0 when no connection waits for anything.</summary>
    public int RentedQueues => Volatile.Read(ref _rentedQueues);

    /// <summary>Bytes of output that wait in queues.</summary>
    public long QueuedOutput => Volatile.Read(ref _queuedOutput);

    /// <summary>When the running tick was posted, in the clock's milliseconds.</summary>
    public long TickPosted => Volatile.Read(ref _tickPosted);

    public void Start(Func<ITransportShard, IConnectionHandler> handlers)
    {
        if (_timer is not null)
            throw new InvalidOperationException("The engine was already started.");
        foreach (var shard in _shards)
            shard.Start(handlers(shard));
        _timer = _time.CreateTimer(static core => ((EngineCore)core!).PostTicks(), this, Options.WheelTick, Options.WheelTick);
    }

    /// <summary>Takes a place under <see cref="ConnectionLimit"/>; false when there is none.</summary>
    public bool TryReserve()
    {
        if (Interlocked.Increment(ref _connections) <= ConnectionLimit)
            return true;
        Interlocked.Decrement(ref _connections);
        return false;
    }

    /// <summary>Gives the place of <see cref="TryReserve"/> back.</summary>
    public void Unreserve() => Interlocked.Decrement(ref _connections);

    /// <summary>Counts a connection that found no place, and warns about it once in a while.</summary>
    public void RefuseByLimit()
    {
        Metrics.Refused(TransportMetrics.RefusalReason.ConnectionLimit);
        var now = Clock.Now;
        var warned = Volatile.Read(ref _limitWarned);
        if ((warned == 0 || now - warned >= LimitWarningMilliseconds) && Interlocked.CompareExchange(ref _limitWarned, now, warned) == warned)
            TransportLog.ConnectionLimitReached(Logger, ConnectionLimit, Options.MaxConnections);
    }

    /// <summary>The shard that has the fewest connections, counting those on their way to it.</summary>
    public Shard LeastLoaded()
    {
        var best = _shards[0];
        for (var index = 1; index < _shards.Length; index++)
        {
            if (_shards[index].Load < best.Load)
                best = _shards[index];
        }
        return best;
    }

    public PipeQueue RentQueue()
    {
        Interlocked.Increment(ref _rentedQueues);
        return _queues.Get();
    }

    public void ReturnQueue(PipeQueue queue)
    {
        queue.Reset();
        _queues.Return(queue);
        Interlocked.Decrement(ref _rentedQueues);
    }

    public void AddQueuedOutput(int bytes) => Interlocked.Add(ref _queuedOutput, bytes);

    /// <summary>Runs turns on this thread until no shard has work left. Only for an inline engine.</summary>
    public void RunUntilIdle()
    {
        bool any;
        do
        {
            any = false;
            foreach (var shard in _shards)
                any |= shard.RunIfScheduled();
        }
        while (any);
    }

    /// <summary>Closes every connection with <see cref="CloseCause.Shutdown"/>; completes when every shard has stopped.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_timer is not null)
            await _timer.DisposeAsync();
        var stops = Array.ConvertAll(_shards, static shard => shard.StopAsync());
        if (_shards[0].IsInline)
            RunUntilIdle();
        await Task.WhenAll(stops);
        Metrics.Dispose();
    }

    private void PostTicks()
    {
        Volatile.Write(ref _tickPosted, Clock.Now);
        foreach (var shard in _shards)
            shard.PostTick();
    }
}
