using PushSystem.Contracts;

namespace PushSystem.Room.Sessions;

/// <summary>See <see cref="IRoomNode.DeliverAsync"/>. Without payloads, sessions read the mailbox instead.</summary>
internal sealed class DeliverBatch(RoomContext room, IReadOnlyList<DeliverItem> items, long incarnation, bool withPayloads)
    : SessionBatch<DeliverItem, DeliverOutcome>(room, items)
{
    private readonly RoomContext _room = room;

    protected override UserKey KeyOf(in DeliverItem item) => item.Key;

    protected override DeliverOutcome Apply(RoomShard shard, int slot, in DeliverItem item) =>
        _room.Answers(incarnation) ? shard.Deliverer.Deliver(slot, item, withPayloads) : DeliverOutcome.NotHere;

    protected override DeliverOutcome Merge(DeliverOutcome one, DeliverOutcome other) =>
        one == DeliverOutcome.Taken || other == DeliverOutcome.NotHere ? one : other;
}

/// <summary>See <see cref="IRoomNode.KickAsync"/>.</summary>
internal sealed class KickBatch(RoomContext room, IReadOnlyList<KickItem> items) : SessionBatch<KickItem, bool>(room, items)
{
    protected override UserKey KeyOf(in KickItem item) => item.Key;

    protected override bool Apply(RoomShard shard, int slot, in KickItem item) => shard.Takeover.Kick(slot, item.Generation, item.Reason);

    protected override bool Merge(bool one, bool other) => one || other;
}

/// <summary>A newer session of the users is known: older ones of this room give way. The result is whether one did.</summary>
internal sealed class SupersedeBatch(RoomContext room, IReadOnlyList<(UserKey Key, long Generation)> items)
    : SessionBatch<(UserKey Key, long Generation), bool>(room, items)
{
    protected override UserKey KeyOf(in (UserKey Key, long Generation) item) => item.Key;

    protected override bool Apply(RoomShard shard, int slot, in (UserKey Key, long Generation) item) =>
        shard.Takeover.Supersede(slot, item.Generation);

    protected override bool Merge(bool one, bool other) => one || other;
}

/// <summary>What the registry answered to a session that was bound again: reaches it wherever it has moved. False: it has ended.</summary>
internal sealed class RebindBatch(RoomContext room, IReadOnlyList<Rebinding> items) : SessionBatch<Rebinding, bool>(room, items)
{
    protected override UserKey KeyOf(in Rebinding item) => item.Entry.Key;

    protected override bool Apply(RoomShard shard, int slot, in Rebinding item) => shard.Rebinder.Answered(slot, item);

    protected override bool Merge(bool one, bool other) => one || other;
}
