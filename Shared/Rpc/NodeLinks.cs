using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Client;
using PushSystem.Rpc.Links;

namespace PushSystem.Rpc;

/// <summary>
/// The calling side of a node: one link per address. It owns the links and the one timer that keeps all their deadlines; any thread uses
/// it; whoever made it disposes it, after which calls end with Unreachable.
/// </summary>
public sealed class NodeLinks : INodeLinks, IAsyncDisposable
{
    private readonly ConcurrentDictionary<NodeAddress, NodeLink> _links = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ITimer _timer;
    private int _ticking;
    private int _disposed;

    /// <summary>Throws <see cref="ArgumentException"/> that names a wrong setting. Opens nothing yet.</summary>
    public NodeLinks(RpcOptions options, ILogger<NodeLinks> logger, TimeProvider? time = null)
    {
        options.Validate();
        Options = options;
        Logger = logger;
        Clock = new LinkClock(time ?? TimeProvider.System);
        Metrics = new RpcMetrics("client", Clock);
        Metrics.Observe(() => _links.Values.Select(link => link.Connection).OfType<LinkConnection>());
        Stopping = _stopping.Token;
        _timer = Clock.Provider.CreateTimer(static self => ((NodeLinks)self!).Tick(), this, options.Tick, options.Tick);
    }

    internal RpcOptions Options { get; }

    internal ILogger Logger { get; }

    internal LinkClock Clock { get; }

    internal RpcMetrics Metrics { get; }

    internal CancellationToken Stopping { get; }

    /// <inheritdoc/>
    public IRpcCaller To(NodeAddress address) => Link(address);

    /// <inheritdoc cref="To"/>
    public IRpcRawCaller ToRaw(NodeAddress address) => Link(address);

    /// <summary>Closes all links: calls in flight end with LinkLost or Unreachable.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        foreach (var link in _links.Values)
            await link.CloseAsync();
        await _timer.DisposeAsync();
        Metrics.Dispose();
        _stopping.Dispose();
    }

    internal NodeLink Link(NodeAddress address) =>
        _links.TryGetValue(address, out var link) ? link : Add(address);

    private NodeLink Add(NodeAddress address)
    {
        if (string.IsNullOrEmpty(address.NodeId) || string.IsNullOrEmpty(address.Host) || address.Port is < 1 or > 65_535)
            throw new ArgumentException($"'{address}' is no address of a node: id, host and a port from 1 to 65535 are needed", nameof(address));
        return _links.GetOrAdd(address, static (added, owner) => new NodeLink(added, owner), this);
    }

    private void Tick()
    {
        // A tick that takes longer than its period must not meet itself.
        if (Interlocked.Exchange(ref _ticking, 1) != 0)
            return;
        try
        {
            var now = Clock.Now;
            Metrics.Tick();
            foreach (var (address, link) in _links)
            {
                link.Tick(now);
                if (link.TryRetire(now))
                    _links.TryRemove(new KeyValuePair<NodeAddress, NodeLink>(address, link));
            }
        }
        catch (Exception e)
        {
            RpcLog.TickFault(Logger, e);
        }
        finally
        {
            Volatile.Write(ref _ticking, 0);
        }
    }
}
