using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary>Serves the saver's small stores to other nodes: events, facts, kept answers, claims. Holds no state.</summary>
internal static class StoreEndpoint
{
    public static void Add(IRpcMethods methods, IEventQueue events)
    {
        methods.Serve(NodeMethods.EventsAppend, async (call, cancel) =>
        {
            var drafts = new EventDraft[call.Events.Count];
            for (var i = 0; i < drafts.Length; i++)
            {
                var item = call.Events[i];
                drafts[i] = new EventDraft(CommonWire.From(item.User), item.Type, item.DedupeKey, item.CreatedAt, item.Body.Memory);
            }
            var answer = new P.EventStatuses();
            answer.Statuses.AddRange((await events.AppendAsync(drafts, cancel)).Select(status => (uint)status));
            return answer;
        });
        methods.Serve(NodeMethods.EventsRead, async (call, cancel) =>
        {
            var list = new P.EventList();
            foreach (var item in await events.ReadAsync(call.App, call.AfterId, call.MaxEvents, call.MaxBytes, cancel))
            {
                list.Events.Add(new P.Event
                {
                    Id = item.Id, User = CommonWire.To(item.Key), Type = item.Type, CreatedAt = item.CreatedAt, Body = CommonWire.Bytes(item.Body),
                });
            }
            return list;
        });
        methods.Serve(NodeMethods.EventsRemove, async (call, cancel) =>
        {
            await events.RemoveAsync(call.App, [.. call.Ids], cancel);
            return CommonWire.Empty;
        });
        methods.Serve(NodeMethods.EventsBacklog, async (_, cancel) =>
        {
            var list = new P.BacklogList();
            foreach (var item in await events.BacklogAsync(cancel))
                list.Items.Add(new P.Backlog { App = item.App, Events = item.Events, Bytes = item.Bytes });
            return list;
        });
    }

    public static void Add(IRpcMethods methods, IFactStore facts)
    {
        methods.Serve(NodeMethods.FactGet, async (key, cancel) => CommonWire.To(await facts.GetAsync(key.Space, key.Key, cancel)));
        methods.Serve(NodeMethods.FactsList, async (call, cancel) =>
        {
            var list = new P.FactList { Space = call.Space };
            foreach (var (key, value) in await facts.ListAsync(call.Space, call.AfterKey, call.Limit, cancel))
                list.Facts.Add(new P.Fact { Key = key, Value = CommonWire.Bytes(value) });
            return list;
        });
        methods.Serve(NodeMethods.FactsSet, async (call, cancel) =>
        {
            await facts.SetAsync(
                call.Space, [.. call.Facts.Select(fact => KeyValuePair.Create(fact.Key, fact.Removed ? (ReadOnlyMemory<byte>?)null : fact.Value.Memory))],
                cancel);
            return CommonWire.Empty;
        });
    }

    public static void Add(IRpcMethods methods, IIdempotencyStore replies)
    {
        methods.Serve(NodeMethods.ReplyFind, async (key, cancel) =>
        {
            var answer = await replies.FindAsync(key.App, key.Key, cancel);
            return answer is null ? new P.IdempotentReply() : new P.IdempotentReply
            {
                Exists = true, Fingerprint = CommonWire.Bytes(answer.Fingerprint), StatusCode = answer.StatusCode, Body = CommonWire.Bytes(answer.Body),
            };
        });
        methods.Serve(NodeMethods.ReplyKeep, async (call, cancel) =>
        {
            if (call.Key is null || call.Reply is null)
                throw CommonWire.Missing(call.Key is null ? "key" : "reply");
            var answer = new IdempotentAnswer(call.Reply.Fingerprint.Memory, call.Reply.StatusCode, call.Reply.Body.Memory);
            return new P.Flag { Value = await replies.KeepAsync(call.Key.App, call.Key.Key, answer, cancel) };
        });
    }

    public static void Add(IRpcMethods methods, IWorkClaims claims)
    {
        methods.Serve(NodeMethods.WorkClaim, async (call, cancel) =>
            new P.Number { Value = await claims.ClaimAsync(call.Work, call.Token, [.. call.Live], cancel) });
        methods.Serve(NodeMethods.WorkRelease, async (call, cancel) =>
        {
            await claims.ReleaseAsync(call.Work, call.Token, cancel);
            return CommonWire.Empty;
        });
    }
}
