using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Auth;
using PushSystem.Center.Tasks;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;
using PushSystem.Hosting;
using PushSystem.Hosting.Lifetime;
using PushSystem.Hosting.Nodes;
using PushSystem.Remote;
using PushSystem.Remote.Coordinators;
using PushSystem.Remote.Registers;
using PushSystem.Remote.Rooms;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Savers;

namespace PushSystem.Center;

/// <summary>
/// A center as a process of its own: binds the API and the task engine to the cluster's savers, registers, rooms and coordinators.
/// Owns its view of the others; the host calls it on one thread; the host disposes it.
/// </summary>
internal sealed class CenterProcess : NodeRole
{
    private readonly CenterNodeOptions _file;
    private readonly CenterOptions _options;
    private readonly OptionsOverlay<CenterOptions, CenterSection> _overlay;
    private NodeHost? _host;
    private RemoteSavers? _savers;
    private RemoteSessionRegistry? _registry;
    private RemoteCoordinator? _coordinator;
    private ClusterRooms? _rooms;
    private WakeUps? _wakeUps;
    private volatile TaskWakes? _wakes;

    public CenterProcess(CenterNodeOptions file)
    {
        _file = file;
        var adminKey = file.Center.AdminKeyFile.Length > 0 ? KeyFile.Read(file.Center.AdminKeyFile) : null;
        _options = new CenterOptions
        {
            // A cluster's hot tier is shared and replicated: what it holds survives the death of any process.
            DefaultLevel = Durability.Stored,
            AdminKeyHash = adminKey is null ? "" : Convert.ToHexString(AppKeys.Hash(adminKey)),
        };
        _overlay = new OptionsOverlay<CenterOptions, CenterSection>(_options);
    }

    public override string PublicHttp => _file.Center.Listen;

    public override void Check(ClusterConfiguration configuration) =>
        _overlay.Check(configuration.Center, static options => OptionsCheck.Validated(options, "center"));

    public override ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken)
    {
        _host = host;
        host.Lay(_overlay, configuration => configuration.Center);
        var remote = new RemoteOptions();
        _savers = new RemoteSavers(host.Links, host.Nodes, host.Layout.Partitions, remote, host.Time);
        _registry = new RemoteSessionRegistry(host.Links, host.Nodes, host.Layout.RegistryParts, remote, host.Time);
        _coordinator = new RemoteCoordinator(host.Links, host.Nodes, remote, host.Time);
        _rooms = new ClusterRooms(host.Links, host.Nodes, remote);
        _wakeUps = WakeUps.OfCenters(host.Links, host.Nodes, _file.Node);
        host.Health.AddCheck("savers", () => _savers.Failure);
        host.Health.AddCheck("registers", () => _registry.Failure);
        host.Methods.AddCenter(app => _wakes?.Wake(app));
        return ValueTask.CompletedTask;
    }

    public override void AddServices(IServiceCollection services) => services
        .AddSingleton<IAppDirectory>(_host!.Apps).AddSingleton<IMailboxes>(_savers!.Mailboxes).AddSingleton<IBroadcastLog>(_savers.Broadcasts)
        .AddSingleton<IMulticasts>(_savers.Multicasts).AddSingleton<IIdempotencyStore>(_savers.Idempotency).AddSingleton<IWorkClaims>(_savers.Claims)
        .AddSingleton<ISessionRegistry>(_registry!).AddSingleton<IRoomDirectory>(_rooms!).AddSingleton<ICoordinator>(_coordinator!)
        .AddSingleton<IPeers>(_host.Peers).AddSingleton<ITaskWakeUps>(new OtherCenters(_wakeUps!))
        .AddCenter(_options);

    public override void Map(WebApplication web)
    {
        web.MapCenter();
        _wakes = web.Services.GetRequiredService<TaskWakes>();
    }

    public override ValueTask StartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override IEnumerable<string> Describe()
    {
        yield return $"API at http://{_file.Center.Listen}   documentation: http://{_file.Center.Listen}/docs";
    }

    public override ValueTask DisposeAsync()
    {
        _wakeUps?.Dispose();
        _rooms?.Dispose();
        _coordinator?.Dispose();
        _registry?.Dispose();
        _savers?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>The way to the other centers.</summary>
    private sealed class OtherCenters(WakeUps wakeUps) : ITaskWakeUps
    {
        public ValueTask WakeAsync(string app, CancellationToken cancellationToken) => wakeUps.WakeAsync(app, cancellationToken);
    }
}
