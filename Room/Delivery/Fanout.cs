using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>
/// One broadcast in this room: what is sent, how fast, how far it is. Shared by the shards' walks; any thread; nothing needs
/// disposal. Its frames are encoded once per app index.
/// </summary>
internal sealed class Fanout(RoomContext room, FanoutCommand command)
{
    // Nearly every connection binds few apps, so that nearly every session has one of these indexes.
    private const int SharedIndexes = 32;

    private readonly ReadOnlyMemory<byte>[] _frames = new ReadOnlyMemory<byte>[SharedIndexes];
    private int _state = (int)FanoutAction.Run;
    private int _walking = room.Shards.Length;
    private long _targeted;
    private long _sent;
    private int _forgotten;

    public string App { get; } = command.App;
    public uint Epoch { get; } = command.Epoch;
    public long Seq { get; } = command.Seq;
    public StreamEntry Message { get; } =
        new(command.Seq, ResetReason.None, command.Kind, 0, command.ExpiresAt, command.Payload);
    public RateBudget Budget { get; } = new(room.Time, command.RatePerSecond);

    /// <summary>Run, Pause or Cancel; a cancelled one stays cancelled.</summary>
    public FanoutAction State
    {
        get => (FanoutAction)Volatile.Read(ref _state);
        set
        {
            if (State != FanoutAction.Cancel)
                Volatile.Write(ref _state, (int)value);
        }
    }

    /// <summary>The room no longer answers for it; walks may drop it.</summary>
    public bool Forgotten
    {
        get => Volatile.Read(ref _forgotten) != 0;
        set => Volatile.Write(ref _forgotten, value ? 1 : 0);
    }

    public bool IsFinished => Volatile.Read(ref _walking) <= 0 || State == FanoutAction.Cancel;

    public FanoutProgress Progress => new(true, IsFinished, Volatile.Read(ref _targeted), Volatile.Read(ref _sent));

    public void AddTargeted(int sessions) => Interlocked.Add(ref _targeted, sessions);

    public void AddSent() => Interlocked.Increment(ref _sent);

    public void WalkEnded() => Interlocked.Decrement(ref _walking);

    public void WalkBeganAgain() => Interlocked.Increment(ref _walking);

    /// <summary>The frame for an app index. Encoded by whoever needs it first.</summary>
    public ReadOnlyMemory<byte> FrameFor(int appIndex, RoomShard shard)
    {
        if (appIndex >= SharedIndexes)
            return shard.Output.EncodeBroadcast(appIndex, Message);
        lock (_frames)
        {
            if (_frames[appIndex].IsEmpty)
                _frames[appIndex] = shard.Output.EncodeBroadcast(appIndex, Message);
            return _frames[appIndex];
        }
    }
}

/// <summary>One shard's way through its sessions for one fan-out. On the shard's turn only.</summary>
internal sealed class FanoutWalk(Fanout fanout, ShardApp app)
{
    public Fanout Fanout { get; } = fanout;
    public ShardApp App { get; } = app;
    /// <summary>The next place to visit, downwards; -1 = through.</summary>
    public int Cursor { get; set; } = app.Count - 1;
    public bool Ended { get; set; }
    /// <summary>The next chunk is already posted.</summary>
    public bool Posted { get; set; }
}
