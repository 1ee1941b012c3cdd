using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Coordinators;

/// <summary>Serves <see cref="ICoordinator"/> to other nodes. Holds no state.</summary>
internal static class CoordinatorEndpoint
{
    public static void Add(IRpcMethods methods, ICoordinator coordinator)
    {
        methods.Serve(NodeMethods.Submit, async (call, cancel) =>
        {
            var reply = await coordinator.SubmitAsync(
                new UpstreamMessage(
                    CommonWire.From(call.User), call.Device, call.MessageId, call.Type, (PayloadKind)call.Kind, call.Payload.Memory, call.ReceivedAt),
                cancel);
            return new P.UpstreamAnswer { Code = (uint)reply.Code, RetryAfterMilliseconds = reply.RetryAfterMilliseconds };
        });
        methods.Serve(NodeMethods.Notify, async (call, cancel) =>
        {
            var changes = new PresenceChange[call.Changes.Count];
            for (var i = 0; i < changes.Length; i++)
            {
                var item = call.Changes[i];
                changes[i] = new PresenceChange(CommonWire.From(item.User), item.Online, item.Generation, item.Device, item.Room, item.At);
            }
            await coordinator.NotifyAsync(changes, cancel);
            return CommonWire.Empty;
        });
        methods.Serve(NodeMethods.KickUser, async (user, cancel) => new P.Flag { Value = await coordinator.KickAsync(CommonWire.From(user), cancel) });
    }
}
