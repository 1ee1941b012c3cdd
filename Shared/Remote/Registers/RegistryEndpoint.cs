using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Registers;

/// <summary>Serves <see cref="ISessionRegistry"/> to other nodes. Holds no state.</summary>
internal static class RegistryEndpoint
{
    public static void Add(IRpcMethods methods, ISessionRegistry registry)
    {
        methods.Serve(NodeMethods.Bind, async (call, cancel) =>
        {
            var answer = new P.BoundList();
            foreach (var reply in await registry.BindAsync(SessionWire.Entries(call), cancel))
                answer.Items.Add(new P.Bound { Generation = reply.Generation, Previous = reply.Previous is null ? null : SessionWire.To(reply.Previous) });
            return answer;
        });
        methods.Serve(NodeMethods.Unbind, async (call, cancel) =>
        {
            var answer = new P.Flags();
            answer.Values.AddRange(await registry.UnbindAsync(SessionWire.Entries(call), cancel));
            return answer;
        });
        methods.Serve(NodeMethods.Lookup, async (call, cancel) =>
        {
            var answer = new P.Sessions();
            foreach (var entry in await registry.LookupAsync([.. call.Users.Select(CommonWire.From)], cancel))
                answer.Sessions_.Add(SessionWire.To(entry));
            return answer;
        });
        methods.Serve(NodeMethods.SessionCount, async (call, cancel) => new P.Number { Value = await registry.CountAsync(call.App, cancel) });
        methods.Serve(NodeMethods.SessionEpochs, async (_, cancel) =>
        {
            var answer = new P.Numbers();
            answer.Values.AddRange(await registry.EpochsAsync(cancel));
            return answer;
        });
    }
}
