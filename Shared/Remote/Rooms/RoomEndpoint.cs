using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Rooms;

/// <summary>Serves a room to other nodes. Holds no state.</summary>
internal static class RoomEndpoint
{
    /// <param name="methods">Gets the methods.</param>
    /// <param name="room">The room as the incarnation that the caller means: one that is not held has no session.</param>
    public static void Add(IRpcMethods methods, Func<long, IRoomNode> room)
    {
        methods.Serve(NodeMethods.Deliver, async (call, cancel) =>
        {
            var items = new DeliverItem[call.Items.Count];
            for (var i = 0; i < items.Length; i++)
            {
                var item = call.Items[i];
                items[i] = new DeliverItem(
                    CommonWire.From(item.User), item.Generation, item.Epoch, item.Seq, (PayloadKind)item.Kind, item.ExpiresAt, item.Payload.Memory);
            }
            var answer = new P.DeliverAnswer();
            answer.Outcomes.AddRange((await room(call.Incarnation).DeliverAsync(items, cancel)).Select(outcome => (uint)outcome));
            return answer;
        });
        methods.Serve(NodeMethods.Kick, async (call, cancel) =>
        {
            var items = new KickItem[call.Items.Count];
            for (var i = 0; i < items.Length; i++)
            {
                var item = call.Items[i];
                items[i] = new KickItem(CommonWire.From(item.User), item.Generation, (ReasonCode)item.Reason);
            }
            var answer = new P.Flags();
            answer.Values.AddRange(await room(call.Incarnation).KickAsync(items, cancel));
            return answer;
        });
        methods.Serve(NodeMethods.FanOut, async (call, cancel) =>
        {
            var progress = await room(call.Incarnation).FanoutAsync(
                new FanoutCommand(
                    call.App, call.Epoch, call.Seq, (FanoutAction)call.Action, call.RatePerSecond, (PayloadKind)call.Kind, call.ExpiresAt,
                    call.Payload.Memory), cancel);
            return new P.FanOutProgress
            {
                Known = progress.Known, Finished = progress.Finished, Targeted = progress.Targeted, Sent = progress.Sent,
            };
        });
    }
}
