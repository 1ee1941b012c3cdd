using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Client;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Server;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc;

/// <summary>
/// The answering side of a node. It owns the listeners, the connections and the one timer that keeps their deadlines; handlers run on
/// thread-pool threads; whoever made it disposes it.
/// Stopping: new calls are answered Stopping, running handlers get Rpc:StopTimeout, then the links are closed.
/// </summary>
public sealed partial class RpcServer : IAsyncDisposable
{
    private readonly RpcOptions _options;
    private readonly RpcMethods _methods;
    private readonly ILogger _logger;
    private readonly LinkClock _clock;
    private readonly RpcMetrics _metrics;
    private readonly LinkSet _links;
    private readonly RefusalLog _refusals;
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Socket> _listeners = [];
    private readonly List<Task> _loops = [];
    private readonly HandshakeSet _handshakes;
    private readonly List<IPEndPoint> _endPoints = [];
    private ITimer? _timer;
    private int _ticking;
    private int _stopped;

    /// <summary>Throws <see cref="ArgumentException"/> that names a wrong setting. Listens to nothing yet.</summary>
    public RpcServer(RpcOptions options, RpcMethods methods, ILogger<RpcServer> logger, TimeProvider? time = null)
    {
        options.Validate();
        if (options.EndPoints.Count == 0)
            throw new ArgumentException("Rpc:EndPoints: at least one is needed by a server", nameof(options));
        if (options.Tls is { Certificate: not { HasPrivateKey: true } })
            throw new ArgumentException("Rpc:Tls:Certificate: a server needs one with its private key", nameof(options));
        _options = options;
        _methods = methods;
        _logger = logger;
        _clock = new LinkClock(time ?? TimeProvider.System);
        _metrics = new RpcMetrics("server", _clock);
        _links = new LinkSet(options.MaxLinks, options.MaxLinksPerNode);
        _handshakes = new HandshakeSet(options.MaxHandshakes);
        _refusals = new RefusalLog(logger, _clock);
        _metrics.Observe(_links.All);
    }

    /// <summary>Where it listens, with the real port; the first one if there are several. Set by <see cref="StartAsync"/>.</summary>
    public IPEndPoint EndPoint => EndPoints[0];

    /// <summary>All end points, in the order of the options.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => _endPoints;

    internal RpcMetrics Metrics => _metrics;

    /// <summary>Links that are open.</summary>
    public int Links => _links.Count;

    /// <summary>
    /// Listens. Nothing can be added to the methods any more. Throws <see cref="SocketException"/> if an end point is taken; then nothing
    /// listens.
    /// </summary>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _methods.Close();
        try
        {
            foreach (var endPoint in _options.EndPoints)
            {
                var listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                _listeners.Add(listener);
                listener.Bind(endPoint);
                listener.Listen(512);
                _endPoints.Add((IPEndPoint)listener.LocalEndPoint!);
            }
        }
        catch
        {
            _listeners.ForEach(static listener => listener.Dispose());
            _listeners.Clear();
            _endPoints.Clear();
            throw;
        }
        _timer = _clock.Provider.CreateTimer(static self => ((RpcServer)self!).Tick(), this, _options.Tick, _options.Tick);
        foreach (var listener in _listeners)
        {
            var endPoint = (IPEndPoint)listener.LocalEndPoint!;
            RpcLog.Listening(_logger, endPoint);
            _loops.Add(Task.Run(() => AcceptLoopAsync(listener, endPoint), CancellationToken.None));
        }
        return Task.CompletedTask;
    }

    /// <summary>Stops as described at the class; a second call waits for nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
            return;
        await _stopping.CancelAsync();
        _listeners.ForEach(static listener => listener.Dispose());
        await Task.WhenAll(_loops);
        await _handshakes.WhenAll();
        await DrainAsync();
        if (_timer is not null)
            await _timer.DisposeAsync();
        RpcLog.StoppedListening(_logger);
        _metrics.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Ends the links: gently those whose handlers end in time.</summary>
    private async Task DrainAsync()
    {
        var links = _links.Close();
        var drained = links.ConvertAll(static link => link.DrainAsync());
        try
        {
            if (!Task.WhenAll(drained).IsCompleted)
                await Task.WhenAll(drained).WaitAsync(_options.StopTimeout, _clock.Provider);
        }
        catch (TimeoutException)
        {
            RpcLog.HandlersStillRun(_logger, links.Sum(static link => link.InFlight));
        }
        await Task.WhenAll(links.Select((link, index) => EndAsync(link, drained[index].IsCompleted)));
    }

    private async Task EndAsync(ServerConnection link, bool drained)
    {
        if (drained && !link.IsClosed)
        {
            try
            {
                // The peer closes when it has read the Bye; closing first might take it away from it.
                await link.SayByeAsync().WaitAsync(ByeTimeout, _clock.Provider);
                await link.Ended.WaitAsync(ByeTimeout, _clock.Provider);
            }
            catch (TimeoutException)
            {
                // A peer that does not read is closed all the same.
            }
        }
        link.Close(LinkEnd.Stopped, "the server has stopped");
        await link.Ended;
    }

    private void Tick()
    {
        // A tick that takes longer than its period must not meet itself.
        if (Interlocked.Exchange(ref _ticking, 1) != 0)
            return;
        try
        {
            _metrics.Tick();
            var now = _clock.Now;
            foreach (var link in _links.All())
                link.Tick(now);
        }
        catch (Exception e)
        {
            RpcLog.TickFault(_logger, e);
        }
        finally
        {
            Volatile.Write(ref _ticking, 0);
        }
    }
}
