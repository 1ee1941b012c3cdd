using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Register;
using PushSystem.Room;
using PushSystem.Saver;
using PushSystem.Saver.Sql;
using PushSystem.Transport;
using PushSystem.Transport.Sockets;

namespace PushSystem.Standalone;

/// <summary>
/// All stateful parts of the process, bound to each other by the contracts: store, registry, coordinator, room.
/// Made, started and stopped by Program, on its thread; the parts have their own threads.
/// DisposeAsync stops them in the order in which nothing accepted can be lost: clients first, the store last.
/// </summary>
internal sealed class Gateway : IAsyncDisposable
{
    private readonly StandaloneOptions _options;
    private readonly SocketEngine _engine;

    private Gateway(StandaloneOptions options, SqlStore store, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options;
        Store = store;
        // Grows with each start, as long as the clock does not run backwards over a restart; a cluster takes it from etcd.
        var identity = new RoomIdentity("standalone", time.GetUtcNow().ToUnixTimeMilliseconds());
        Directory = new SingleRoomDirectory(() => Describe(identity));
        Registry = new SessionRegistry(new RegisterOptions(), time, Directory);
        Coordinator = new Coordinator.Coordinator(
            store.Events, store.Facts, store.Apps, Registry, Directory, time, loggers, new Coordinator.CoordinatorOptions());
        _engine = new SocketEngine(new TransportOptions { EndPoints = [options.Room] }, loggers, time);
        Room = new RoomNode(identity, new RoomServices
        {
            Engine = _engine,
            Mailboxes = store.Mailboxes,
            Broadcasts = store.Broadcasts,
            Registry = Registry,
            Coordinator = Coordinator,
            Apps = store.Apps,
            Rooms = Directory,
            Time = time,
            Loggers = loggers,
        }, RoomOptions);
    }

    /// <summary>The room's settings; the dispatcher hints the same heartbeat.</summary>
    public RoomOptions RoomOptions { get; } = new();
    public SqlStore Store { get; }
    public SessionRegistry Registry { get; }
    public Coordinator.Coordinator Coordinator { get; }
    public SingleRoomDirectory Directory { get; }
    public RoomNode Room { get; }

    /// <summary>Opens the store and makes the parts; nothing listens yet.</summary>
    public static async Task<Gateway> OpenAsync(StandaloneOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var store = await SqlStore.OpenAsync(new SaverOptions { DataFolder = options.Data }, time, loggers, cancellationToken);
        return new Gateway(options, store, time, loggers);
    }

    /// <summary>Listens for clients and takes up what the last process left undone.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Coordinator.StartAsync(cancellationToken);
        await Room.StartAsync(cancellationToken);
        Directory.Set(Room);
    }

    /// <summary>Asks the clients to leave and waits for them, for at most the drain time.</summary>
    public Task DrainAsync() => Room.DrainAsync(_options.DrainTime, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await Room.DisposeAsync();
        await _engine.DisposeAsync();
        await Coordinator.DisposeAsync();
        await Registry.DisposeAsync();
        await Store.DisposeAsync();
    }

    private RoomInfo Describe(RoomIdentity identity) => new()
    {
        Id = identity.NodeId,
        Incarnation = identity.Incarnation,
        Addresses = [new RoomAddress(_options.AdvertisedHost, _options.Room.Port)],
        Connections = _engine.Shards.Sum(shard => shard.ConnectionCount),
        Capacity = new TransportOptions().MaxConnections,
    };
}
