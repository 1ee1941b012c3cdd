using PushSystem.Contracts;

namespace PushSystem.Room.Tests.Support;

/// <summary>One other room, "other" with incarnation 5, that remembers whom it was asked to kick.</summary>
internal sealed class FakeRooms : IRoomDirectory, IRoomNode
{
    public List<KickItem> Kicks { get; } = [];

    public Exception? Failure { get; set; }

    public IReadOnlyList<RoomInfo> Rooms => [];

    public IRoomNode? Find(string room, long incarnation) => room == "other" && incarnation == 5 ? this : null;

    public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken)
    {
        Kicks.AddRange(items);
        return Failure is null ? new([true]) : throw Failure;
    }

    public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken) => throw new NotSupportedException();
}
