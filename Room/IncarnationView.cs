using PushSystem.Contracts;

namespace PushSystem.Room;

/// <summary>
/// A room as one incarnation of it: answers only while that is the one in force. Owns nothing; any thread; nothing needs disposal.
/// </summary>
internal sealed class IncarnationView(RoomNode room, long incarnation) : IRoomNode
{
    public long Incarnation => incarnation;

    public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) =>
        room.DeliverAsync(items, incarnation, cancellationToken);

    // Ending a session is right also while the room is fenced: whoever asks knows a newer session, or wants none.
    public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken) =>
        room.Identity.Incarnation == incarnation ? room.KickAsync(items, cancellationToken) : new(new bool[items.Count]);

    public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken) =>
        room.Context.Answers(incarnation) ? room.FanoutAsync(command, cancellationToken) : default;
}
