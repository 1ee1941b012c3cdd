using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;

namespace PushSystem.Room.Delivery;

/// <summary>
/// Reads ranges of streams from the stores, a bounded number at a time; a stream has at most one read under way, waiting for its
/// turn or waiting for a store that was away. Owned by its shard, used on its turn; nothing needs disposal.
/// </summary>
internal sealed class PullScheduler(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;
    private readonly Queue<Ticket> _waiting = new();
    private readonly Queue<(long Due, Ticket Ticket)> _retries = new();

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

    /// <summary>The stream cannot go on now and nothing will say when it can.</summary>
    public void RetryLater(int slot, StreamKind kind) => Postpone(Claim(slot, kind));

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

    private Ticket Claim(int slot, StreamKind kind)
    {
        ref var stream = ref Deliverer.StreamOf(ref shard.Sessions[slot], kind);
        stream.Pulling = true;
        return new Ticket(slot, shard.Sessions.GenerationOf(slot), kind, ++stream.PullId);
    }

    private void Postpone(Ticket ticket) =>
        _retries.Enqueue((shard.Now + (long)shard.Options.StoreRetryDelay.TotalMilliseconds, ticket));

    private void Issue(Ticket ticket)
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

    private ValueTask<ReadReply> ReadOnceAsync(StreamKind kind, in ReadRequest request) => kind == StreamKind.Mailbox
        ? _room.Services.Mailboxes.ReadAsync(request, _room.Stopping)
        : _room.Cache.ReadAsync(request.Key.App, request.Epoch, request.FromSeq, request.MaxMessages, request.MaxBytes);

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

    // A stream that was rewound, moved or closed has a new pull id, or its session a new generation.
    private bool IsCurrent(Ticket ticket)
    {
        ref var session = ref shard.Sessions.Find(ticket.Slot, ticket.Generation);
        if (Unsafe.IsNullRef(ref session))
            return false;
        ref var stream = ref Deliverer.StreamOf(ref session, ticket.Kind);
        return stream.Pulling && stream.PullId == ticket.PullId && shard.Clients[session.Client].Phase == ClientPhase.Attached;
    }

    private readonly record struct Ticket(int Slot, uint Generation, StreamKind Kind, uint PullId);

    private sealed class Pull(RoomShard shard, Ticket ticket, long topAtStart, ReadRequest request)
    {
        public RoomShard Shard { get; } = shard;
        public Ticket Ticket { get; } = ticket;
        public long TopAtStart { get; } = topAtStart;
        public ReadRequest Request { get; } = request;
        public ReadReply? Reply { get; set; }
    }
}
