using System.Net;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;
using PushSystem.Hosting.Nodes;
using PushSystem.Remote;
using PushSystem.Remote.Coordinators;
using PushSystem.Remote.Registers;
using PushSystem.Remote.Rooms;
using PushSystem.Remote.Savers;
using PushSystem.Transport;
using PushSystem.Transport.Sockets;

namespace PushSystem.Room;

/// <summary>
/// A room as a process of its own: binds the room to the cluster's savers, registers and coordinators.
/// Owns the room, its engine and its view of the others; the host calls it on one thread, timers and etcd's watch on theirs.
/// The host disposes it.
/// </summary>
internal sealed class RoomProcess : NodeRole
{
    private static readonly TimeSpan LoadInterval = TimeSpan.FromSeconds(3);

    private readonly RoomNodeOptions _file;
    private readonly TransportOptions _transport;
    private readonly RoomOptions _options = new();
    private readonly OptionsOverlay<RoomOptions, RoomSection> _overlay;
    private NodeHost? _host;
    private RemoteSavers? _savers;
    private RemoteSessionRegistry? _registry;
    private RemoteCoordinator? _coordinator;
    private ClusterRooms? _rooms;
    private SocketEngine? _engine;
    private volatile RoomNode? _room;
    private ITimer? _loadTimer;
    private int _toldConnections = -1;

    public RoomProcess(RoomNodeOptions file)
    {
        _file = file;
        _transport = new TransportOptions { EndPoints = [.. file.Room.Listen.Select(IPEndPoint.Parse)] };
        _overlay = new OptionsOverlay<RoomOptions, RoomSection>(_options);
    }

    public override void Check(ClusterConfiguration configuration) => _overlay.Check(configuration.Room, options => options.Validate(_transport.MaxOutputBytes));

    public override ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken)
    {
        _host = host;
        host.Lay(_overlay, configuration => configuration.Room, () => _room?.Apply(_options));
        var remote = new RemoteOptions();
        _savers = new RemoteSavers(host.Links, host.Nodes, host.Layout.Partitions, remote, host.Time);
        _registry = new RemoteSessionRegistry(host.Links, host.Nodes, host.Layout.RegistryParts, remote, host.Time);
        _coordinator = new RemoteCoordinator(host.Links, host.Nodes, remote, host.Time);
        _rooms = new ClusterRooms(host.Links, host.Nodes, remote);
        _engine = new SocketEngine(_transport, host.Loggers, host.Time);
        host.Health.AddCheck("savers", () => _savers.Failure);
        host.Health.AddCheck("registers", () => _registry.Failure);
        host.Methods.AddRoom(Serve);
        return ValueTask.CompletedTask;
    }

    public override async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        var host = _host!;
        var room = new RoomNode(new RoomIdentity(_file.Node, host.Lease.LastIncarnation), new RoomServices
        {
            Engine = _engine!,
            Mailboxes = _savers!.Mailboxes,
            Broadcasts = _savers.Broadcasts,
            Registry = _registry!,
            Coordinator = _coordinator!,
            Apps = host.Apps,
            Rooms = _rooms!,
            // Asked with each call, so that a process that slept does not serve.
            Incarnation = () => host.Serving.Incarnation,
            MaxOutputBytes = _transport.MaxOutputBytes,
            Time = host.Time,
            Loggers = host.Loggers,
        }, _options);
        await room.StartAsync(cancellationToken);
        _room = room;
        host.Lease.Renewed += Renew;
        // Renewed between the start and the subscription.
        if (host.Lease.LastIncarnation > room.Identity.Incarnation)
            Renew(host.Lease.LastIncarnation);
        TellLoad();
        _loadTimer = host.Time.CreateTimer(_ => TellLoad(), null, LoadInterval, LoadInterval);
    }

    public override async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        if (_room is { } room)
            await room.DrainAsync(_file.DrainTime, cancellationToken);
    }

    public override IEnumerable<string> Describe()
    {
        yield return $"clients connect to {string.Join(", ", Advertised)}";
    }

    public override async ValueTask DisposeAsync()
    {
        if (_host is { } host && _room is not null)
            host.Lease.Renewed -= Renew;
        if (_loadTimer is not null)
            await _loadTimer.DisposeAsync();
        if (_room is not null)
            await _room.DisposeAsync();
        if (_engine is not null)
            await _engine.DisposeAsync();
        _rooms?.Dispose();
        _coordinator?.Dispose();
        _registry?.Dispose();
        _savers?.Dispose();
    }

    private IEnumerable<string> Advertised => _file.Room.Advertise.Count > 0 ? _file.Room.Advertise : _file.Room.Listen;

    private IRoomNode Serve(long incarnation) => _room is { } room ? room.ForIncarnation(incarnation) : AbsentRoom.Instance;

    private void Renew(long incarnation) => _ = RenewAsync(incarnation);

    private async Task RenewAsync(long incarnation)
    {
        try
        {
            await _room!.RenewAsync(incarnation, CancellationToken.None);
        }
        catch (Exception exception)
        {
            RoomLog.WorkFailed(_host!.Loggers.CreateLogger<RoomProcess>(), nameof(RoomNode.RenewAsync), exception);
            _host.Health.Fail($"the room could not take incarnation {incarnation}: {exception.Message}");
        }
    }

    private void TellLoad()
    {
        var connections = _room?.Connections ?? 0;
        // A room of 100,000 need not tell of every hundredth client.
        if (_toldConnections >= 0 && Math.Abs(connections - _toldConnections) <= _toldConnections / 100)
            return;
        _toldConnections = connections;
        _host!.Describe(self => self with
        {
            Details = new RoomDetails
            {
                Addresses = [.. Advertised], Region = _file.Room.Region, Isp = _file.Room.Isp, DataCentre = _file.Room.DataCentre,
                Weight = _file.Room.Weight, Connections = connections, Capacity = _options.MaxConnections,
            }.ToJson(),
        });
    }

    /// <summary>A room that has nobody.</summary>
    private sealed class AbsentRoom : IRoomNode
    {
        public static readonly AbsentRoom Instance = new();

        public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<DeliverOutcome>>(new DeliverOutcome[items.Count]);

        public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<bool>>(new bool[items.Count]);

        public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken) =>
            ValueTask.FromResult(default(FanoutProgress));
    }
}
