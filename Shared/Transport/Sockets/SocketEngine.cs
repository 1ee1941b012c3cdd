using System.Net;
using Microsoft.Extensions.Logging;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Sockets;

/// <summary>
/// The portable engine over System.Net.Sockets. It owns its listeners, its shards and through them every socket; start, stop
/// and dispose belong to one owner, while accept loops and turns run on the thread pool; disposal closes every connection.
/// </summary>
public sealed class SocketEngine : ITransportEngine
{
    private readonly EngineCore _core;
    private readonly TimeProvider _time;
    private readonly SocketSenderPool[] _senders;
    private readonly List<ConnectionListener> _listeners = [];

    /// <summary>Throws <see cref="ArgumentException"/> when a setting is out of range.</summary>
    public SocketEngine(TransportOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        _time = time;
        _core = new EngineCore(options, loggers, time, typeof(SocketEngine).FullName!, inline: false);
        _core.ConnectionLimit = DescriptorLimit.Allowed(options.MaxConnections);
        if (_core.ConnectionLimit < options.MaxConnections)
            TransportLog.ConnectionLimitLowered(_core.Logger, _core.ConnectionLimit, options.MaxConnections);
        _senders = new SocketSenderPool[options.Shards];
        for (var index = 0; index < _senders.Length; index++)
            _senders[index] = new SocketSenderPool(_core.Shards[index]);
    }

    /// <inheritdoc/>
    public IReadOnlyList<ITransportShard> Shards => _core.Shards;

    /// <inheritdoc/>
    public IReadOnlyList<IPEndPoint> EndPoints { get; private set; } = [];

    internal EngineCore Core => _core;

    /// <summary>Senders in use by all shards: sends that wait for a peer. Exact when no turn runs.</summary>
    internal int RentedSenders => _senders.Sum(static senders => senders.Rented);

    /// <inheritdoc/>
    public async Task StartAsync(Func<ITransportShard, IConnectionHandler> handlers, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _core.Start(handlers);
        try
        {
            foreach (var endPoint in _core.Options.EndPoints)
                _listeners.Add(ConnectionListener.Listen(endPoint, _core.Options.Backlog, Adopt, _core, _time));
        }
        catch
        {
            await StopListeningAsync();
            throw;
        }
        EndPoints = [.. _listeners.Select(static listener => listener.EndPoint)];
        foreach (var listener in _listeners)
            listener.Start();
    }

    /// <inheritdoc/>
    public async Task StopListeningAsync()
    {
        foreach (var listener in _listeners)
            await listener.DisposeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopListeningAsync();
        await _core.DisposeAsync();
        foreach (var senders in _senders)
            senders.Dispose();
    }

    // The accept loop's hand-over: the socket belongs to the shard from here on, or is disposed.
    private void Adopt(AcceptedSocket accepted)
    {
        if (!_core.TryReserve())
        {
            _core.RefuseByLimit();
            accepted.Socket.Dispose();
            return;
        }
        var shard = _core.LeastLoaded();
        var wire = new SocketWire(shard, _senders[shard.Index], accepted.Socket, accepted.Remote);
        if (shard.Adopt(wire))
            return;
        _core.Unreserve();
        wire.Dispose();
        accepted.Socket.Dispose();
    }
}
