using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary><see cref="IEventQueue"/> of the cluster's savers. Any thread.</summary>
internal sealed class RemoteEventQueue(RemoteCaller savers) : IEventQueue
{
    public async ValueTask<IReadOnlyList<EventStatus>> AppendAsync(IReadOnlyList<EventDraft> drafts, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(drafts);
        if (drafts.Count == 0)
            return [];
        var call = new P.EventList();
        foreach (var draft in drafts)
        {
            call.Events.Add(new P.Event
            {
                User = CommonWire.To(draft.Key), Type = draft.Type, DedupeKey = draft.DedupeKey, CreatedAt = draft.CreatedAt,
                Body = CommonWire.Bytes(draft.Body),
            });
        }
        // A draft with a dedupe key may be stored again; one without may appear twice, which "at least once" allows for.
        var answer = await savers.CallAsync(NodeMethods.EventsAppend, call, Work(drafts[0].Key.App), true, cancellationToken);
        CommonWire.CheckCount(drafts.Count, answer.Statuses.Count, "events.append");
        return [.. answer.Statuses.Select(status => (EventStatus)status)];
    }

    public async ValueTask<IReadOnlyList<QueuedEvent>> ReadAsync(
        string app, long afterId, int maxEvents, int maxBytes, CancellationToken cancellationToken)
    {
        var call = new P.ReadEvents { App = app, AfterId = afterId, MaxEvents = maxEvents, MaxBytes = maxBytes };
        var list = await savers.CallAsync(NodeMethods.EventsRead, call, Work(app), true, cancellationToken);
        return [.. list.Events.Select(item => new QueuedEvent(item.Id, CommonWire.From(item.User), item.Type, item.CreatedAt, item.Body.Memory))];
    }

    public async ValueTask RemoveAsync(string app, IReadOnlyList<long> ids, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var call = new P.RemoveEvents { App = app };
        call.Ids.AddRange(ids);
        await savers.CallAsync(NodeMethods.EventsRemove, call, Work(app), true, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<EventBacklog>> BacklogAsync(CancellationToken cancellationToken)
    {
        var list = await savers.CallAsync(NodeMethods.EventsBacklog, CommonWire.Empty, Work(""), true, cancellationToken);
        return [.. list.Items.Select(item => new EventBacklog(item.App, item.Events, item.Bytes))];
    }

    private static ulong Work(string app) => StableHash.Pair(StableHash.Of("events"), StableHash.Of(app));
}

/// <summary><see cref="IFactStore"/> of the cluster's savers. Any thread.</summary>
internal sealed class RemoteFactStore(RemoteCaller savers) : IFactStore
{
    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(string space, string key, CancellationToken cancellationToken) =>
        CommonWire.From(await savers.CallAsync(NodeMethods.FactGet, new P.FactKey { Space = space, Key = key }, Work(space), true, cancellationToken));

    public async ValueTask<IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>> ListAsync(
        string space, string afterKey, int limit, CancellationToken cancellationToken)
    {
        var call = new P.ListFacts { Space = space, AfterKey = afterKey, Limit = limit };
        var list = await savers.CallAsync(NodeMethods.FactsList, call, Work(space), true, cancellationToken);
        return [.. list.Facts.Select(fact => KeyValuePair.Create(fact.Key, fact.Value.Memory))];
    }

    public async ValueTask SetAsync(
        string space, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(facts);
        var call = new P.FactList { Space = space };
        foreach (var (key, value) in facts)
        {
            call.Facts.Add(value is { } bytes
                ? new P.Fact { Key = key, Value = CommonWire.Bytes(bytes) }
                : new P.Fact { Key = key, Removed = true });
        }
        await savers.CallAsync(NodeMethods.FactsSet, call, Work(space), true, cancellationToken);
    }

    private static ulong Work(string space) => StableHash.Pair(StableHash.Of("facts"), StableHash.Of(space));
}

/// <summary><see cref="IIdempotencyStore"/> of the cluster's savers. Any thread.</summary>
internal sealed class RemoteIdempotencyStore(RemoteCaller savers) : IIdempotencyStore
{
    public async ValueTask<IdempotentAnswer?> FindAsync(string app, string key, CancellationToken cancellationToken)
    {
        var reply = await savers.CallAsync(NodeMethods.ReplyFind, new P.IdempotencyKey { App = app, Key = key }, Work(app), true, cancellationToken);
        return reply.Exists ? new IdempotentAnswer(reply.Fingerprint.Memory, reply.StatusCode, reply.Body.Memory) : null;
    }

    public async ValueTask<bool> KeepAsync(string app, string key, IdempotentAnswer answer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var call = new P.KeepReply
        {
            Key = new P.IdempotencyKey { App = app, Key = key },
            Reply = new P.IdempotentReply
            {
                Exists = true, Fingerprint = CommonWire.Bytes(answer.Fingerprint), StatusCode = answer.StatusCode, Body = CommonWire.Bytes(answer.Body),
            },
        };
        return (await savers.CallAsync(NodeMethods.ReplyKeep, call, Work(app), false, cancellationToken)).Value;
    }

    private static ulong Work(string app) => StableHash.Pair(StableHash.Of("replies"), StableHash.Of(app));
}

/// <summary><see cref="IWorkClaims"/> of the cluster's savers. Any thread.</summary>
internal sealed class RemoteWorkClaims(RemoteCaller savers) : IWorkClaims
{
    public async ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(live);
        var call = new P.WorkClaim { Work = work, Token = token };
        call.Live.AddRange(live);
        return (await savers.CallAsync(NodeMethods.WorkClaim, call, StableHash.Of(work), true, cancellationToken)).Value;
    }

    public async ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken) =>
        await savers.CallAsync(NodeMethods.WorkRelease, new P.WorkClaim { Work = work, Token = token }, StableHash.Of(work), true, cancellationToken);
}
