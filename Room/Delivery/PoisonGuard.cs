using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>
/// Notices a client that loses its connection again and again over the same message, and has that message set aside. Openings
/// are counted by the store; resumes never reach it and are counted here. Owned by its shard, used on its turn; nothing needs
/// disposal.
/// </summary>
internal sealed class PoisonGuard(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;

    /// <summary>A session is back on a new socket; its stream was rewound.</summary>
    public void Returned(int slot)
    {
        ref var session = ref shard.Sessions[slot];
        var head = session.DetachedHead;
        session.DetachedHead = 0;
        if (head <= session.Mailbox.Acked)
        {
            if (head > 0)
                session.StuckCount = 0;
            return;
        }
        session.StuckCount = session.StuckSeq == head ? session.StuckCount + 1 : 1;
        session.StuckSeq = head;
        var limit = (_room.Services.Apps.Find(session.Key.App)?.Limits ?? new AppLimits()).DeliveryAttempts;
        if (session.StuckCount <= limit)
            return;
        session.StuckCount = 0;
        _ = ParkAsync(new Parking(shard, shard.Pulls.Claim(slot, StreamKind.Mailbox), session.Key, session.Mailbox.Epoch, head));
    }

    private async Task ParkAsync(Parking parking)
    {
        try
        {
            parking.Opening = await _room.Stores.AskAsync(cancellationToken =>
                _room.Services.Mailboxes.ParkAsync(parking.Key, parking.Epoch, parking.Head, cancellationToken));
        }
        catch (Exception exception)
        {
            // It is delivered once more, and parked the next time.
            _room.CallFailed("IMailboxes.ParkAsync", exception);
        }
        shard.Post(static done => done.Shard.Poison.Parked(done), parking);
    }

    private void Parked(Parking parking)
    {
        if (!shard.Pulls.IsCurrent(parking.Ticket))
            return;
        var slot = parking.Ticket.Slot;
        ref var stream = ref shard.Sessions[slot].Mailbox;
        stream.Pulling = false;
        if (parking.Opening is { } opening)
        {
            if (opening.Epoch != stream.Epoch)
            {
                shard.Deliverer.ChangeEpoch(slot, StreamKind.Mailbox, opening.Epoch, opening.Seq, opening.Top, ResetReason.DataLoss);
                return;
            }
            if (opening.Seq >= parking.Head && opening.Seq > stream.LastSent)
            {
                _room.Metrics.Parked();
                shard.Deliverer.ChangeEpoch(slot, StreamKind.Mailbox, opening.Epoch, opening.Seq, Math.Max(opening.Top, stream.Top),
                    opening.Gap == ResetReason.None ? ResetReason.Poison : opening.Gap);
                return;
            }
        }
        shard.Deliverer.Pump(slot, StreamKind.Mailbox);
    }

    private sealed class Parking(RoomShard shard, PullTicket ticket, UserKey key, uint epoch, long head)
    {
        public RoomShard Shard { get; } = shard;
        public PullTicket Ticket { get; } = ticket;
        public UserKey Key { get; } = key;
        public uint Epoch { get; } = epoch;
        public long Head { get; } = head;
        public StreamOpening? Opening { get; set; }
    }
}
