using System.Net;
using Microsoft.Extensions.Logging;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Memory;

/// <summary>
/// An engine without sockets for tests: it owns its shards and the wires to its <see cref="MemoryClient"/>s. With
/// <see cref="MemoryTurns.Manual"/> every turn runs inside <see cref="RunUntilIdle"/> on its caller's thread, so that a test with
/// a fake clock is deterministic; otherwise turns run on the thread pool. Its clients may be used from any thread; the test
/// disposes it.
/// </summary>
public sealed class MemoryEngine : ITransportEngine
{
    private static readonly IPEndPoint ListenAddress = new(IPAddress.Loopback, 7402);

    private readonly EngineCore _core;
    private readonly Lock _turns = new();
    private int _listening;
    private int _lastPort = 40_000;

    /// <summary>The settings' end points are not used.</summary>
    public MemoryEngine(TransportOptions options, ILoggerFactory loggers, TimeProvider time, MemoryTurns turns = MemoryTurns.Manual) =>
        _core = new EngineCore(options, loggers, time, typeof(MemoryEngine).FullName!, turns == MemoryTurns.Manual);

    /// <inheritdoc/>
    public IReadOnlyList<ITransportShard> Shards => _core.Shards;

    /// <summary>A made-up address.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => [ListenAddress];

    internal EngineCore Core => _core;

    /// <inheritdoc/>
    public Task StartAsync(Func<ITransportShard, IConnectionHandler> handlers, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _core.Start(handlers);
        Volatile.Write(ref _listening, 1);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopListeningAsync()
    {
        Volatile.Write(ref _listening, 0);
        return Task.CompletedTask;
    }

    /// <summary>
    /// Opens a connection; the handler sees it on the shard's next turn. A client that is refused, because of the limit or
    /// because nobody listens, is closed when it is returned.
    /// </summary>
    /// <param name="remote">The address the handler is told; by default a loopback address with a new port.</param>
    /// <param name="shard">The shard that gets it; by default the one with the fewest connections.</param>
    public MemoryClient Connect(IPEndPoint? remote = null, int? shard = null)
    {
        remote ??= new IPEndPoint(IPAddress.Loopback, Interlocked.Increment(ref _lastPort));
        var target = shard is { } index ? _core.Shards[index] : _core.LeastLoaded();
        var wire = new MemoryWire(target, remote);
        if (Volatile.Read(ref _listening) == 0)
        {
            _core.Metrics.Refused(TransportMetrics.RefusalReason.Stopping);
            wire.Refuse();
        }
        else if (!_core.TryReserve())
        {
            _core.RefuseByLimit();
            wire.Refuse();
        }
        else if (!target.Adopt(wire))
        {
            _core.Unreserve();
            wire.Refuse();
        }
        return new MemoryClient(wire);
    }

    /// <summary>
    /// Runs turns on this thread until no shard has anything to do. What another thread posts meanwhile may need another call.
    /// Does nothing when turns run on the pool.
    /// </summary>
    public void RunUntilIdle()
    {
        if (!_core.Shards[0].IsInline)
            return;
        lock (_turns)
            _core.RunUntilIdle();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopListeningAsync();
        await _core.DisposeAsync();
    }
}

/// <summary>Who runs the turns of a <see cref="MemoryEngine"/>.</summary>
public enum MemoryTurns
{
    /// <summary>The test, by <see cref="MemoryEngine.RunUntilIdle"/>.</summary>
    Manual,
    /// <summary>The thread pool, as in production.</summary>
    ThreadPool,
}
