using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;

namespace PushSystem.Room.Delivery;

/// <summary>The right to move one stream on, until the stream is rewound or closed.</summary>
internal readonly record struct PullTicket(int Slot, uint Generation, StreamKind Kind, uint PullId);

/// <summary>
/// Reads ranges of streams from the stores, a bounded number at a time; a stream has at most one read under way, waiting for its
/// turn or waiting for a store that was away. Owned by its shard, used on its turn; nothing needs disposal.
/// </summary>
internal sealed class PullScheduler(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;
    private readonly Queue<PullTicket> _waiting = new();
    private readonly Queue<(long Due, PullTicket Ticket)> _retries = new();

    /// <summary>Reads under way.</summary>
    public int Active { get; private set; }

    /// <summary>Reads that wait for their turn or for a store.</summary>
    public int Waiting => _waiting.Count + _retries.Count;

    public void Start(int slot, StreamKind kind)
    {
        var ticket = Claim(slot, kind);
        if (Active < shard.Options.MaxConcurrentPulls)
            Issue(ticket);
        else
            _waiting.Enqueue(ticket);
    }

    public void Tick(long now)
    {
        while (_retries.TryPeek(out var retry) && retry.Due <= now)
        {
            _retries.Dequeue();
            if (!IsCurrent(retry.Ticket))
                continue;
            Deliverer.StreamOf(ref shard.Sessions[retry.Ticket.Slot], retry.Ticket.Kind).Pulling = false;
            shard.Deliverer.Pump(retry.Ticket.Slot, retry.Ticket.Kind);
        }
    }

    /// <summary>Nothing else is read or sent for the stream until the holder of the ticket ends it.</summary>
    public PullTicket Claim(int slot, StreamKind kind)
    {
        ref var stream = ref Deliverer.StreamOf(ref shard.Sessions[slot], kind);
        stream.Pulling = true;
        return new PullTicket(slot, shard.Sessions.GenerationOf(slot), kind, ++stream.PullId);
    }

    private void Postpone(PullTicket ticket) =>
        _retries.Enqueue((shard.Now + (long)shard.Options.StoreRetryDelay.TotalMilliseconds, ticket));

    private void Issue(PullTicket ticket)
    {
        ref var session = ref shard.Sessions[ticket.Slot];
        ref var stream = ref Deliverer.StreamOf(ref session, ticket.Kind);
        var pull = new Pull(shard, ticket, stream.Top, new ReadRequest(session.Key, stream.Epoch, stream.LastSent + 1,
            Math.Max(1, shard.Options.WindowMessages - stream.InFlight), Math.Max(1, shard.Options.WindowBytes - stream.InFlightBytes)));
        Active++;
        _room.Metrics.Pull(ticket.Kind);
        _ = ReadAsync(pull);
    }

    private async Task ReadAsync(Pull pull)
    {
        try
        {
            pull.Reply = await ReadOnceAsync(pull.Ticket.Kind, pull.Request);
        }
        catch (Exception exception)
        {
            _room.CallFailed(pull.Ticket.Kind == StreamKind.Mailbox ? "IMailboxes.ReadAsync" : "IBroadcastLog.ReadAsync", exception);
        }
        shard.Post(static done => done.Shard.Pulls.Completed(done), pull);
    }

    private async ValueTask<ReadReply> ReadOnceAsync(StreamKind kind, ReadRequest request) => kind == StreamKind.Mailbox
        ? await _room.Stores.AskAsync(cancellationToken => _room.Services.Mailboxes.ReadAsync(request, cancellationToken))
        : await _room.Cache.ReadAsync(request.Key.App, request.Epoch, request.FromSeq, request.MaxMessages, request.MaxBytes);

    private void Completed(Pull pull)
    {
        Active--;
        if (IsCurrent(pull.Ticket))
        {
            if (pull.Reply is { } reply)
                shard.Deliverer.TakeReply(pull.Ticket.Slot, pull.Ticket.Kind, reply, pull.TopAtStart);
            else
                Postpone(pull.Ticket);
        }
        while (Active < shard.Options.MaxConcurrentPulls && _waiting.TryDequeue(out var next))
        {
            if (IsCurrent(next))
                Issue(next);
        }
    }

    /// <summary>A stream that was rewound, moved or closed since has a new pull id, or its session a new generation.</summary>
    public bool IsCurrent(PullTicket ticket)
    {
        ref var session = ref shard.Sessions.Find(ticket.Slot, ticket.Generation);
        if (Unsafe.IsNullRef(ref session))
            return false;
        ref var stream = ref Deliverer.StreamOf(ref session, ticket.Kind);
        return stream.Pulling && stream.PullId == ticket.PullId && shard.Clients[session.Client].Phase == ClientPhase.Attached;
    }

    private sealed class Pull(RoomShard shard, PullTicket ticket, long topAtStart, ReadRequest request)
    {
        public RoomShard Shard { get; } = shard;
        public PullTicket Ticket { get; } = ticket;
        public long TopAtStart { get; } = topAtStart;
        public ReadRequest Request { get; } = request;
        public ReadReply? Reply { get; set; }
    }
}
