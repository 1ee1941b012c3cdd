using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;
using PushSystem.Hosting.Nodes;
using PushSystem.Remote;
using PushSystem.Remote.Registers;
using PushSystem.Remote.Rooms;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Savers;

namespace PushSystem.Coordinator;

/// <summary>
/// A coordinator as a process of its own: binds webhooks, presence and kicks to the cluster's savers, registers and rooms.
/// Owns the coordinator and its view of the others; the host calls it on one thread; the host disposes it.
/// </summary>
internal sealed class CoordinatorProcess : NodeRole
{
    private static readonly TimeSpan StartRetry = TimeSpan.FromSeconds(1);

    private readonly CoordinatorNodeOptions _file;
    private readonly CoordinatorOptions _options = new();
    private readonly OptionsOverlay<CoordinatorOptions, CoordinatorSection> _overlay;
    private NodeHost? _host;
    private RemoteSavers? _savers;
    private RemoteSessionRegistry? _registry;
    private ClusterRooms? _rooms;
    private WakeUps? _wakeUps;
    private Coordinator? _coordinator;

    public CoordinatorProcess(CoordinatorNodeOptions file)
    {
        _file = file;
        _overlay = new OptionsOverlay<CoordinatorOptions, CoordinatorSection>(_options);
    }

    public override void Check(ClusterConfiguration configuration) =>
        _overlay.Check(configuration.Coordinator, static options => options.Validate());

    public override ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken)
    {
        _host = host;
        host.Lay(_overlay, configuration => configuration.Coordinator);
        var remote = new RemoteOptions();
        _savers = new RemoteSavers(host.Links, host.Nodes, host.Layout.Partitions, remote, host.Time);
        _registry = new RemoteSessionRegistry(host.Links, host.Nodes, host.Layout.RegistryParts, remote, host.Time);
        _rooms = new ClusterRooms(host.Links, host.Nodes, remote);
        _wakeUps = WakeUps.OfCoordinators(host.Links, host.Nodes, _file.Node);
        host.Health.AddCheck("savers", () => _savers.Failure);
        host.Health.AddCheck("registers", () => _registry.Failure);
        // The links open before the coordinator is made: whoever calls too early is answered as if the app had no owner yet.
        host.Methods.AddCoordinator(new EarlyCoordinator(() => _coordinator), app => _coordinator?.Wake(app));
        return ValueTask.CompletedTask;
    }

    public override async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        var host = _host!;
        var coordinator = new Coordinator(
            _savers!.Events, _savers.Facts, host.Apps, _registry!, _rooms!, host.Time, host.Loggers, _options, handler: null,
            new CoordinatorCluster
            {
                Claims = _savers.Claims, Peers = host.Peers, Others = new Others(_wakeUps!), RefreshRooms = host.Nodes.RefreshAsync,
            });
        // Kept before it has started, so that it is disposed whatever happens; it serves from then on.
        _coordinator = coordinator;
        while (true)
        {
            try
            {
                await coordinator.StartAsync(cancellationToken);
                return;
            }
            catch (StoreUnavailableException exception)
            {
                CoordinatorLog.WaitingForStores(host.Loggers.CreateLogger<CoordinatorProcess>(), exception.Message);
            }
            await Task.Delay(StartRetry, host.Time, cancellationToken);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (_coordinator is not null)
            await _coordinator.DisposeAsync();
        _wakeUps?.Dispose();
        _rooms?.Dispose();
        _registry?.Dispose();
        _savers?.Dispose();
    }
}
