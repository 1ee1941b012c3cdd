using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Registers;

/// <summary>
/// <see cref="ISessionRegistry"/> of the cluster's registers: each part of the users goes to the register that comes first for it, the
/// next one if that one is dead. They share their data, so any of them gives the same answer.
/// Owns the order of the registers; any thread; disposing it ends its subscription to the nodes, not the links.
/// </summary>
public sealed class RemoteSessionRegistry : ISessionRegistry, IDisposable
{
    private static readonly ulong Kind = StableHash.Of("sessions");

    private readonly NodeRoutes _routes;
    private readonly RemoteCaller _registers;
    private readonly int _parts;

    /// <param name="links">Carries the calls.</param>
    /// <param name="nodes">Where the registers are.</param>
    /// <param name="parts">Number of the registry's parts: the cluster's layout.</param>
    /// <param name="options">Checked here.</param>
    /// <param name="time">Counts down the calls' time.</param>
    public RemoteSessionRegistry(INodeLinks links, INodeDirectory nodes, int parts, RemoteOptions options, TimeProvider time)
    {
        options.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        _parts = parts;
        _routes = new NodeRoutes(nodes, Roles.Register);
        _registers = new RemoteCaller(links, _routes, options.StoreTimeout, options.Attempts, time);
    }

    /// <summary>Why no register can be asked, or null: for the health page.</summary>
    public string? Failure => _routes.All.Count > 0 ? null : "no register lives";

    /// <inheritdoc/>
    /// <remarks>
    /// Not repeated after a lost link: bound twice, the second answer would name the first as the one that was replaced, and the room
    /// would end what it has just begun. The room repeats with a session of its own.
    /// </remarks>
    public ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        return Scatter.AskAsync(sessions, session => Work(session.Key), _registers.Order, async (work, part) =>
        {
            var answer = await _registers.CallAsync(NodeMethods.Bind, Call(part), work, isRepeatable: false, cancellationToken);
            CommonWire.CheckCount(part.Count, answer.Items.Count, "sessions.bind");
            return (IReadOnlyList<BindReply>)[.. answer.Items.Select(item => new BindReply(item.Generation, SessionWire.From(item.Previous)))];
        });
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        return Scatter.AskAsync(sessions, session => Work(session.Key), _registers.Order, async (work, part) =>
        {
            var answer = await _registers.CallAsync(NodeMethods.Unbind, Call(part), work, isRepeatable: true, cancellationToken);
            CommonWire.CheckCount(part.Count, answer.Values.Count, "sessions.unbind");
            return (IReadOnlyList<bool>)[.. answer.Values];
        });
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return Scatter.AskAsync(keys, Work, _registers.Order, async (work, part) =>
        {
            var call = new P.LookupUsers();
            call.Users.AddRange(part.Select(CommonWire.To));
            var answer = await _registers.CallAsync(NodeMethods.Lookup, call, work, isRepeatable: true, cancellationToken);
            CommonWire.CheckCount(part.Count, answer.Sessions_.Count, "sessions.lookup");
            return (IReadOnlyList<SessionEntry?>)[.. answer.Sessions_.Select(SessionWire.From)];
        });
    }

    /// <inheritdoc/>
    public async ValueTask<long> CountAsync(string app, CancellationToken cancellationToken) =>
        (await _registers.CallAsync(NodeMethods.SessionCount, new P.AppName { App = app }, StableHash.Of(app), true, cancellationToken)).Value;

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken) =>
        [.. (await _registers.CallAsync(NodeMethods.SessionEpochs, CommonWire.Empty, Kind, true, cancellationToken)).Values];

    /// <inheritdoc/>
    public void Dispose() => _routes.Dispose();

    private static P.Sessions Call(IReadOnlyList<SessionEntry> sessions)
    {
        var call = new P.Sessions();
        call.Sessions_.AddRange(sessions.Select(SessionWire.To));
        return call;
    }

    private ulong Work(UserKey key) => StableHash.Pair(Kind, (ulong)StableHash.Part(key, _parts));
}
