using PushSystem.Protocol;

namespace PushSystem.Contracts;

/// <summary>
/// What other components ask of one room (component Room). Thread-safe, batched; result i belongs to item i. Never waits for
/// a client.
/// </summary>
public interface IRoomNode
{
    /// <summary>Hands messages to sessions. <see cref="DeliverOutcome.NotHere"/> means that the registry's entry is stale.</summary>
    ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken);

    /// <summary>Ends sessions with a GOAWAY; true where one was here.</summary>
    ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken);

    /// <summary>
    /// Starts, changes or asks for the fan-out of one broadcast to the room's sessions of the app. Idempotent: starting a known one
    /// only answers its progress.
    /// </summary>
    ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken);
}

/// <summary>
/// A message for a session. Seq 0 = transient. <see cref="Generation"/> is the session generation of the registry's entry that led
/// here, 0 when not known; a room that holds another one answers NotHere.
/// </summary>
public readonly record struct DeliverItem(
    UserKey Key, long Generation, uint Epoch, long Seq, PayloadKind Kind, long ExpiresAt, ReadOnlyMemory<byte> Payload);

/// <summary>What the room did.</summary>
public enum DeliverOutcome : byte
{
    /// <summary>No such session in this room.</summary>
    NotHere,
    /// <summary>Sent, or it will be read from the mailbox when its turn comes.</summary>
    Taken,
    /// <summary>Transient only: the connection could not take it and it is gone.</summary>
    Dropped,
}

/// <summary>Ends the session of a user; generation 0 = whichever is there.</summary>
public readonly record struct KickItem(UserKey Key, long Generation, ReasonCode Reason);

/// <summary>What to do with a fan-out.</summary>
public enum FanoutAction : byte
{
    /// <summary>Only tell the progress.</summary>
    Query,
    /// <summary>Begin, or go on after a pause.</summary>
    Run,
    /// <summary>Send to nobody more for now.</summary>
    Pause,
    /// <summary>Send to nobody more.</summary>
    Cancel,
}

/// <summary>One broadcast for one room. The message fields are needed with <see cref="FanoutAction.Run"/> only.</summary>
public sealed record FanoutCommand(
    string App, uint Epoch, long Seq, FanoutAction Action, int RatePerSecond, PayloadKind Kind, long ExpiresAt, ReadOnlyMemory<byte> Payload);

/// <summary>How far a fan-out is in a room. Known false: the room has not heard of it (it may have restarted).</summary>
public readonly record struct FanoutProgress(bool Known, bool Finished, long Targeted, long Sent);

/// <summary>
/// The rooms that live now, as this process knows them (in a cluster from etcd). In memory, thread-safe, never waits.
/// </summary>
public interface IRoomDirectory
{
    /// <summary>The rooms, a snapshot.</summary>
    IReadOnlyList<RoomInfo> Rooms { get; }

    /// <summary>
    /// Every incarnation up to this one is known here: a room that is not found with such a one is dead. A higher one may be a room
    /// that this process has not heard of yet. The default says that nothing is unknown.
    /// </summary>
    long Revision => long.MaxValue;

    /// <summary>The room if it lives with this incarnation, else null.</summary>
    IRoomNode? Find(string room, long incarnation);
}

/// <summary>A room as clients and other components see it.</summary>
public sealed record RoomInfo
{
    /// <summary>Node id.</summary>
    public required string Id { get; init; }
    /// <summary>Unique, growing.</summary>
    public required long Incarnation { get; init; }
    /// <summary>Where clients connect.</summary>
    public required IReadOnlyList<RoomAddress> Addresses { get; init; }
    /// <summary>Blue-green group, "A" or "B".</summary>
    public string Group { get; init; } = "A";
    /// <summary>Region, "" = any.</summary>
    public string Region { get; init; } = "";
    /// <summary>Internet provider that it is near to, "" = any.</summary>
    public string Isp { get; init; } = "";
    /// <summary>The data centre.</summary>
    public string DataCentre { get; init; } = "";
    /// <summary>Relative share of clients, from 1.</summary>
    public int Weight { get; init; } = 100;
    /// <summary>Connections now.</summary>
    public int Connections { get; init; }
    /// <summary>Most connections.</summary>
    public int Capacity { get; init; }
    /// <summary>Gets no new clients.</summary>
    public bool Draining { get; init; }
}

/// <summary>One address; host is a name or an IP address.</summary>
public readonly record struct RoomAddress(string Host, int Port);
