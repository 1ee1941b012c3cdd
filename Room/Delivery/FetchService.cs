using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room.Delivery;

/// <summary>One FETCH under way, at most one per connection.</summary>
internal sealed class FetchOperation(RoomShard shard, ConnectionRef connection, FetchMessage request, int slot, uint generation)
{
    public RoomShard Shard { get; } = shard;
    public ConnectionRef Connection { get; } = connection;
    public FetchMessage Request { get; } = request;
    public int Slot { get; } = slot;
    public uint Generation { get; } = generation;
    /// <summary>Where it goes on, and the last sequence number it may reach.</summary>
    public long Next { get; set; }
    public long Limit { get; init; }
    public int Count { get; set; }
    public bool Reading { get; set; }
    /// <summary>Only FETCH_OK is missing.</summary>
    public bool Complete { get; set; }
    public ReasonCode Code { get; set; }
    public ReadReply? Reply { get; set; }
}

/// <summary>
/// Answers FETCH: reads in small pieces, sends while output allows, goes on when it has drained. Pull bindings may fetch what is
/// not acknowledged; push bindings only what was sent already. Owned by its shard, used on its turn; nothing needs disposal.
/// </summary>
internal sealed class FetchService(RoomShard shard)
{
    private const int ReadMessages = 64;
    private const int ReadBytes = 64 * 1024;

    private readonly RoomContext _room = shard.Room;

    /// <summary>False: the app index was never given on this connection.</summary>
    public bool Start(ConnectionRef connection, FetchMessage request)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (request.AppIndex >= shard.Clients[state.Client.Slot].NextAppIndex)
            return false;
        var slot = shard.Ender.FindByIndex(state.Client.Slot, request.AppIndex);
        if (slot < 0)
        {
            Refuse(connection, request, ReasonCode.UnknownTarget, 0);
            return true;
        }
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref Deliverer.StreamOf(ref session, request.Stream);
        if (state.Fetch is not null)
        {
            Refuse(connection, request, ReasonCode.Busy, stream.Top);
            return true;
        }
        state.Fetch = new FetchOperation(shard, connection, request, slot, shard.Sessions.GenerationOf(slot))
        {
            Next = Math.Max(request.FirstSeq, stream.Acked + 1),
            Limit = session.Pull ? long.MaxValue : stream.LastSent,
        };
        GoOn(state.Fetch);
        return true;
    }

    /// <summary>Output has drained.</summary>
    public void Continue(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (!Unsafe.IsNullRef(ref state) && state.Fetch is { Reading: false } fetch)
            GoOn(fetch);
    }

    private void GoOn(FetchOperation fetch)
    {
        if (!shard.Sessions.IsLive(fetch.Slot, fetch.Generation))
            End(fetch, ReasonCode.UnknownTarget);
        else if (fetch.Complete || fetch.Count >= fetch.Request.Count || fetch.Next > fetch.Limit)
            End(fetch, fetch.Code);
        else
            Read(fetch);
    }

    private void Read(FetchOperation fetch)
    {
        ref var session = ref shard.Sessions[fetch.Slot];
        ref var stream = ref Deliverer.StreamOf(ref session, fetch.Request.Stream);
        fetch.Reading = true;
        _ = ReadAsync(fetch, new ReadRequest(session.Key, stream.Epoch, fetch.Next,
            Math.Min(ReadMessages, fetch.Request.Count - fetch.Count), ReadBytes));
    }

    private async Task ReadAsync(FetchOperation fetch, ReadRequest request)
    {
        fetch.Reply = null;
        try
        {
            fetch.Reply = fetch.Request.Stream == StreamKind.Mailbox
                ? await _room.Stores.AskAsync(cancellationToken => _room.Services.Mailboxes.ReadAsync(request, cancellationToken))
                : await _room.Cache.ReadAsync(request.Key.App, request.Epoch, request.FromSeq, request.MaxMessages, request.MaxBytes);
        }
        catch (Exception exception)
        {
            _room.CallFailed("FETCH", exception);
        }
        shard.Post(static done => done.Shard.Fetches.Completed(done), fetch);
    }

    private void Completed(FetchOperation fetch)
    {
        fetch.Reading = false;
        ref var state = ref shard.Connections.Find(fetch.Connection);
        if (Unsafe.IsNullRef(ref state) || state.Fetch != fetch || state.Phase != Connections.ConnectionPhase.Ready)
            return;
        if (!shard.Sessions.IsLive(fetch.Slot, fetch.Generation))
            End(fetch, ReasonCode.UnknownTarget);
        else if (fetch.Reply is null)
            End(fetch, ReasonCode.Busy);
        else if (fetch.Reply.Epoch != Deliverer.StreamOf(ref shard.Sessions[fetch.Slot], fetch.Request.Stream).Epoch)
            EndInOtherEpoch(fetch);
        else if (SendAll(fetch, fetch.Reply))
            GoOn(fetch);
    }

    // The stream's own read finds the new epoch and tells the client.
    private void EndInOtherEpoch(FetchOperation fetch)
    {
        Deliverer.StreamOf(ref shard.Sessions[fetch.Slot], fetch.Request.Stream).Dirty = true;
        End(fetch, ReasonCode.Ok);
        if (shard.Sessions.IsLive(fetch.Slot, fetch.Generation))
            shard.Deliverer.Pump(fetch.Slot, fetch.Request.Stream);
    }

    // False: it has to wait for the output.
    private bool SendAll(FetchOperation fetch, ReadReply reply)
    {
        ref var session = ref shard.Sessions[fetch.Slot];
        ref var stream = ref Deliverer.StreamOf(ref session, fetch.Request.Stream);
        stream.Top = Math.Max(stream.Top, reply.Top);
        var before = fetch.Next;
        foreach (var entry in reply.Entries)
        {
            if (entry.Seq < fetch.Next)
                continue;
            if (entry.Seq > fetch.Limit || fetch.Count >= fetch.Request.Count)
            {
                fetch.Complete = true;
                break;
            }
            var reason = entry.Gap == ResetReason.None && shard.Deliverer.IsExpired(entry) ? ResetReason.Expired : entry.Gap;
            var status = reason != ResetReason.None
                ? SendGap(session, ref stream, fetch, entry.Seq, reason)
                : shard.Output.Push(fetch.Connection, session.AppIndex, fetch.Request.Stream, entry, fetched: true);
            if (status != SendStatus.Accepted)
                return Wait(fetch, status);
            fetch.Next = entry.Seq + 1;
            if (session.Pull)
                stream.Fetched(entry.Seq);
            if (reason != ResetReason.None)
                continue;
            fetch.Count++;
            _room.Metrics.Pushed(fetch.Request.Stream, transient: false, entry.Payload.Length);
            if (session.Pull && fetch.Request.Stream == StreamKind.Broadcast)
                shard.Fanouts.CountPulled(fetch.Slot, entry.Seq);
        }
        fetch.Complete |= fetch.Next == before || fetch.Next > stream.Top;
        return true;
    }

    // A push binding was told of the gap when the stream passed it.
    private SendStatus SendGap(in SessionState session, ref StreamState stream, FetchOperation fetch, long upTo, ResetReason reason)
    {
        if (!session.Pull)
            return SendStatus.Accepted;
        var status = shard.Output.Reset(fetch.Connection, session.AppIndex, fetch.Request.Stream, stream.Epoch, upTo + 1, reason);
        if (status == SendStatus.Accepted)
        {
            stream.LastReset = reason;
            _room.Metrics.Reset(reason);
        }
        return status;
    }

    private bool Wait(FetchOperation fetch, SendStatus status)
    {
        if (status == SendStatus.Full)
            shard.Lifecycle.Block(fetch.Connection);
        return false;
    }

    private void End(FetchOperation fetch, ReasonCode code)
    {
        ref var state = ref shard.Connections.Find(fetch.Connection);
        if (Unsafe.IsNullRef(ref state) || state.Fetch != fetch)
            return;
        var live = shard.Sessions.IsLive(fetch.Slot, fetch.Generation);
        var top = live ? Deliverer.StreamOf(ref shard.Sessions[fetch.Slot], fetch.Request.Stream).Top : 0;
        if (shard.Output.FetchDone(fetch.Connection, fetch.Request.RequestId, code, fetch.Count, fetch.Next, top) == SendStatus.Full)
        {
            fetch.Complete = true;
            fetch.Code = code;
            shard.Lifecycle.Block(fetch.Connection);
            return;
        }
        state.Fetch = null;
    }

    private void Refuse(ConnectionRef connection, FetchMessage request, ReasonCode code, long top)
    {
        if (shard.Output.FetchDone(connection, request.RequestId, code, 0, request.FirstSeq, top) == SendStatus.Full)
            shard.Lifecycle.CloseSlow(connection);
    }
}
