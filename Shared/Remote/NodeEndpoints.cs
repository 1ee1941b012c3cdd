using PushSystem.Contracts;
using PushSystem.Remote.Coordinators;
using PushSystem.Remote.Registers;
using PushSystem.Remote.Rooms;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Savers;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;

namespace PushSystem.Remote;

/// <summary>Serves a process's contracts to other nodes. To be called before the process's RPC server starts.</summary>
public static class NodeEndpoints
{
    /// <summary>Everything that a saver stores.</summary>
    public static void AddSaver(
        this IRpcMethods methods, IMailboxes mailboxes, IBroadcastLog broadcasts, IMulticasts multicasts, IEventQueue events, IFactStore facts,
        IIdempotencyStore idempotency, IWorkClaims claims)
    {
        MailboxEndpoint.Add(methods, mailboxes);
        BroadcastEndpoint.Add(methods, broadcasts);
        MulticastEndpoint.Add(methods, multicasts);
        StoreEndpoint.Add(methods, events);
        StoreEndpoint.Add(methods, facts);
        StoreEndpoint.Add(methods, idempotency);
        StoreEndpoint.Add(methods, claims);
    }

    /// <summary>The session registry.</summary>
    public static void AddRegister(this IRpcMethods methods, ISessionRegistry registry) => RegistryEndpoint.Add(methods, registry);

    /// <summary>A room: given an incarnation, the room as that incarnation.</summary>
    public static void AddRoom(this IRpcMethods methods, Func<long, IRoomNode> room) => RoomEndpoint.Add(methods, room);

    /// <summary>The coordinator, and what happens when another one tells that an app has events.</summary>
    public static void AddCoordinator(this IRpcMethods methods, ICoordinator coordinator, Action<string> wake)
    {
        CoordinatorEndpoint.Add(methods, coordinator);
        methods.Serve(NodeMethods.WakeEvents, (call, _) =>
        {
            wake(call.App);
            return ValueTask.FromResult(CommonWire.Empty);
        });
    }

    /// <summary>What happens when another center tells that an app's tasks changed.</summary>
    public static void AddCenter(this IRpcMethods methods, Action<string> wake) =>
        methods.Serve(NodeMethods.WakeTasks, (call, _) =>
        {
            wake(call.App);
            return ValueTask.FromResult(CommonWire.Empty);
        });
}
