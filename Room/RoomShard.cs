using PushSystem.Room.Connections;
using PushSystem.Room.Delivery;
using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room;

/// <summary>
/// One shard's tables and the parts that work on them. Owned by the room; everything in it is touched on the shard's turn only,
/// except <see cref="Post{TState}"/>; nothing needs disposal.
/// </summary>
internal sealed class RoomShard
{
    public RoomShard(RoomContext room, ITransportShard transport)
    {
        Room = room;
        Transport = transport;
        Output = new NativeOutput(this);
        Lifecycle = new ConnectionLifecycle(this);
        Deliverer = new Deliverer(this);
        Pulls = new PullScheduler(this);
        Acks = new AckBatcher(this);
        Positions = new PositionCheck(this);
        Fetches = new FetchService(this);
        Poison = new PoisonGuard(this);
        Fanouts = new ShardFanouts(this);
        Binder = new Binder(this);
        Ender = new SessionEnder(this);
        Takeover = new Takeover(this);
        Resumption = new Resumption(this);
        Upstream = new UpstreamSubmitter(this);
        Rebinder = new Rebinder(this);
        Drain = new ShardDrain(this);
    }

    public RoomContext Room { get; }
    public ITransportShard Transport { get; }
    /// <summary>The settings in force; see <see cref="RoomContext.Settings"/>.</summary>
    public RoomOptions Options => Room.Options;
    public int Index => Transport.Index;
    public long Now => Transport.Now;

    public ConnectionTable Connections { get; } = new();
    public SlotTable<ClientState> Clients { get; } = new();
    public SlotTable<SessionState> Sessions { get; } = new();
    public Dictionary<string, ShardApp> Apps { get; } = [];
    public RingPool Rings { get; } = new();

    public IClientOutput Output { get; }
    public ConnectionLifecycle Lifecycle { get; }
    public Deliverer Deliverer { get; }
    public PullScheduler Pulls { get; }
    public AckBatcher Acks { get; }
    public PositionCheck Positions { get; }
    public FetchService Fetches { get; }
    public PoisonGuard Poison { get; }
    public ShardFanouts Fanouts { get; }
    public Binder Binder { get; }
    public SessionEnder Ender { get; }
    public Takeover Takeover { get; }
    public Resumption Resumption { get; }
    public UpstreamSubmitter Upstream { get; }
    public Rebinder Rebinder { get; }
    public ShardDrain Drain { get; }

    /// <summary>Runs on the shard's turn. Any thread. False when the shard has stopped.</summary>
    public bool Post<TState>(Action<TState> action, TState state) => Transport.Post(action, state);
}
