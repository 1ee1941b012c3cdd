using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary>Serves <see cref="IBroadcastLog"/> to other nodes. Holds no state.</summary>
internal static class BroadcastEndpoint
{
    public static void Add(IRpcMethods methods, IBroadcastLog log)
    {
        methods.Serve(NodeMethods.BroadcastAppend, async (call, cancel) =>
        {
            var reply = await log.AppendAsync(
                new BroadcastDraft(
                    call.App, (PayloadKind)call.Kind, call.Payload.Memory, CommonWire.From(call.TimeToLive), call.RatePerSecond,
                    CommonWire.From(call.Claim)), cancel);
            return new P.AppendBroadcastAnswer { Status = (uint)reply.Status, Record = TaskWire.To(reply.Record) };
        });
        methods.Serve(NodeMethods.BroadcastFind, async (key, cancel) => TaskWire.Answer(await log.FindAsync(key.App, key.Epoch, key.Seq, cancel)));
        methods.Serve(NodeMethods.BroadcastsList, async (call, cancel) =>
            TaskWire.List(await log.ListAsync(call.App, call.BeforeSeq, call.Limit, cancel)));
        methods.Serve(NodeMethods.BroadcastsUnfinished, async (_, cancel) => TaskWire.List(await log.UnfinishedAsync(cancel)));
        methods.Serve(NodeMethods.BroadcastPayload, async (key, cancel) =>
            CommonWire.To(await log.PayloadAsync(key.App, key.Epoch, key.Seq, cancel)));
        methods.Serve(NodeMethods.BroadcastMove, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            return TaskWire.Answer(await log.MoveAsync(
                key.App, key.Epoch, key.Seq, CommonWire.States(call.From), (TaskState)call.Next, CommonWire.From(call.Fence), cancel));
        });
        methods.Serve(NodeMethods.BroadcastRate, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            return TaskWire.Answer(await log.SetRateAsync(key.App, key.Epoch, key.Seq, call.RatePerSecond, cancel));
        });
        methods.Serve(NodeMethods.BroadcastReport, async (call, cancel) =>
        {
            var key = call.Key ?? throw CommonWire.Missing("key");
            await log.ReportAsync(
                key.App, key.Epoch, key.Seq, call.Targeted, call.Sent, call.Offline, CommonWire.From(call.Fence), cancel);
            return CommonWire.Empty;
        });
        methods.Serve(NodeMethods.BroadcastReleased, async (call, cancel) => CommonWire.To(await log.ReleasedAsync(call.App, cancel)));
        methods.Serve(NodeMethods.BroadcastRead, async (call, cancel) => CommonWire.To(
            await log.ReadAsync(call.App, call.Epoch, call.FromSeq, call.MaxMessages, call.MaxBytes, cancel)));
        methods.Serve(NodeMethods.BroadcastKnownUsers, async (call, cancel) => new P.Number { Value = await log.KnownUsersAsync(call.App, cancel) });
    }
}
