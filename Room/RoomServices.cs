using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Transport;

namespace PushSystem.Room;

/// <summary>
/// What a room needs from others. It disposes none of it. <see cref="Rooms"/> null: no other room can hold a user's session.
/// </summary>
public sealed record RoomServices
{
    /// <summary>Accepts and moves bytes; started by the room, disposed by its maker after the room.</summary>
    public required ITransportEngine Engine { get; init; }
    /// <summary>The users' mailboxes.</summary>
    public required IMailboxes Mailboxes { get; init; }
    /// <summary>The apps' broadcasts.</summary>
    public required IBroadcastLog Broadcasts { get; init; }
    /// <summary>Where users are bound.</summary>
    public required ISessionRegistry Registry { get; init; }
    /// <summary>Upstream messages and presence.</summary>
    public required ICoordinator Coordinator { get; init; }
    /// <summary>The apps.</summary>
    public required IAppDirectory Apps { get; init; }
    /// <summary>The other rooms.</summary>
    public IRoomDirectory? Rooms { get; init; }
    /// <summary>
    /// The incarnation that this process may act under now, 0 while it is lost (in a cluster the lease's, which looks at the clock each
    /// time); null: the room is told by <see cref="RoomNode.Fence"/> alone. Any thread; must not wait.
    /// </summary>
    public Func<long>? Incarnation { get; init; }
    /// <summary>The engine's MaxOutputBytes; <see cref="RoomOptions.MaxDataOutputBytes"/> has to stay 16 KiB below it.</summary>
    public int MaxOutputBytes { get; init; } = new TransportOptions().MaxOutputBytes;
    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
    /// <summary>Loggers.</summary>
    public required ILoggerFactory Loggers { get; init; }
}
