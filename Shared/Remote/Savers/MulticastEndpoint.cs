using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary>Serves <see cref="IMulticasts"/> to other nodes. Holds no state.</summary>
internal static class MulticastEndpoint
{
    // A commit or a release names a subtask by its key; of the users only their number counts for it.
    private static Subtask Bare(P.MulticastKey? key, int part, int users) => key is null ? throw CommonWire.Missing("key") : new Subtask(
        new MulticastRecord
        {
            App = key.App, Id = key.Id, State = default, Level = default, Kind = default, PayloadBytes = 0, RatePerSecond = 0, AcceptedAt = 0,
            ExpiresAt = 0,
        }, part, 0, new string[Math.Clamp(users, 0, IMulticasts.MaxPartUsers)]);

    public static void Add(IRpcMethods methods, IMulticasts tasks)
    {
        methods.Serve(NodeMethods.MulticastCreate, async (call, cancel) => TaskWire.Answer(await tasks.CreateAsync(
            new MulticastDraft(
                call.App, (Durability)call.Level, (PayloadKind)call.Kind, call.Payload.Memory, CommonWire.From(call.TimeToLive), call.RatePerSecond),
            cancel)));
        methods.Serve(NodeMethods.MulticastPart, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            await tasks.AddPartAsync(key.App, key.Id, call.Part, [.. call.Users], cancel);
            return CommonWire.Empty;
        });
        methods.Serve(NodeMethods.MulticastSeal, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            var reply = await tasks.SealAsync(key.App, key.Id, call.Parts, CommonWire.From(call.Claim), cancel);
            return new P.SealAnswer { Status = (uint)reply.Status, Record = TaskWire.To(reply.Record) };
        });
        methods.Serve(NodeMethods.MulticastDiscard, async (key, cancel) =>
        {
            await tasks.DiscardAsync(key.App, key.Id, cancel);
            return CommonWire.Empty;
        });
        methods.Serve(NodeMethods.MulticastFind, async (key, cancel) => TaskWire.Answer(await tasks.FindAsync(key.App, key.Id, cancel)));
        methods.Serve(NodeMethods.MulticastsList, async (call, cancel) =>
            TaskWire.List(await tasks.ListAsync(call.App, call.BeforeId, call.Limit, cancel)));
        methods.Serve(NodeMethods.MulticastPayload, async (key, cancel) => CommonWire.To(await tasks.PayloadAsync(key.App, key.Id, cancel)));
        methods.Serve(NodeMethods.MulticastMove, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            return TaskWire.Answer(await tasks.MoveAsync(key.App, key.Id, CommonWire.States(call.From), (TaskState)call.Next, cancel));
        });
        methods.Serve(NodeMethods.MulticastRate, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            return TaskWire.Answer(await tasks.SetRateAsync(key.App, key.Id, call.RatePerSecond, cancel));
        });
        methods.Serve(NodeMethods.SubtasksTake, async (call, cancel) =>
        {
            var list = new P.SubtaskList();
            foreach (var subtask in await tasks.TakeAsync(call.Token, [.. call.Live], call.Max, cancel))
                list.Items.Add(TaskWire.To(subtask));
            return list;
        });
        methods.Serve(NodeMethods.SubtaskCommit, async (call, cancel) => TaskWire.Answer(await tasks.CommitAsync(
            Bare(call.Key, call.Part, call.Users), call.Token, call.From, call.To, call.Accepted, call.Refused, call.Online, cancel)));
        methods.Serve(NodeMethods.SubtasksRelease, async (call, cancel) =>
        {
            await tasks.ReleaseAsync([.. call.Items.Select(item => Bare(item.Key, item.Part, 0))], call.Token, cancel);
            return CommonWire.Empty;
        });
    }
}
