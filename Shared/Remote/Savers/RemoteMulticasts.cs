using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary><see cref="IMulticasts"/> of the cluster's savers. Any thread.</summary>
internal sealed class RemoteMulticasts(RemoteCaller savers) : IMulticasts
{
    public async ValueTask<MulticastRecord> CreateAsync(MulticastDraft draft, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var call = new P.CreateMulticast
        {
            App = draft.App, Level = (uint)draft.Level, Kind = (uint)draft.Kind, Payload = CommonWire.Bytes(draft.Payload),
            TimeToLive = CommonWire.To(draft.TimeToLive), RatePerSecond = draft.RatePerSecond,
        };
        // Repeated after a lost link it leaves a task behind that is still receiving, which the store removes.
        var answer = await savers.CallAsync(NodeMethods.MulticastCreate, call, Work(draft.App), true, cancellationToken);
        return Require(answer);
    }

    public async ValueTask AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(users);
        var call = new P.AddMulticastPart { Key = TaskWire.Key(app, id), Part = part };
        call.Users.AddRange(users);
        await savers.CallAsync(NodeMethods.MulticastPart, call, Work(app), true, cancellationToken);
    }

    public async ValueTask<MulticastReply> SealAsync(string app, long id, int parts, IdempotencyClaim? claim, CancellationToken cancellationToken)
    {
        var call = new P.SealMulticast { Key = TaskWire.Key(app, id), Parts = parts, Claim = CommonWire.To(claim) };
        var answer = await savers.CallAsync(NodeMethods.MulticastSeal, call, Work(app), false, cancellationToken);
        return new MulticastReply((WriteStatus)answer.Status, TaskWire.From(answer.Record));
    }

    public async ValueTask DiscardAsync(string app, long id, CancellationToken cancellationToken) =>
        await savers.CallAsync(NodeMethods.MulticastDiscard, TaskWire.Key(app, id), Work(app), true, cancellationToken);

    public async ValueTask<MulticastRecord?> FindAsync(string app, long id, CancellationToken cancellationToken) =>
        TaskWire.From((await savers.CallAsync(NodeMethods.MulticastFind, TaskWire.Key(app, id), Work(app), true, cancellationToken)).Record);

    public async ValueTask<IReadOnlyList<MulticastRecord>> ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken)
    {
        var call = new P.ListMulticasts { App = app, BeforeId = beforeId, Limit = limit };
        return TaskWire.From(await savers.CallAsync(NodeMethods.MulticastsList, call, Work(app), true, cancellationToken));
    }

    public async ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, long id, CancellationToken cancellationToken) =>
        CommonWire.From(await savers.CallAsync(NodeMethods.MulticastPayload, TaskWire.Key(app, id), Work(app), true, cancellationToken));

    public async ValueTask<MulticastRecord?> MoveAsync(
        string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        var call = new P.MoveMulticast { Key = TaskWire.Key(app, id), Next = (uint)next };
        call.From.AddRange(from.Select(state => (uint)state));
        return TaskWire.From((await savers.CallAsync(NodeMethods.MulticastMove, call, Work(app), false, cancellationToken)).Record);
    }

    public async ValueTask<MulticastRecord?> SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken)
    {
        var call = new P.SetMulticastRate { Key = TaskWire.Key(app, id), RatePerSecond = ratePerSecond };
        return TaskWire.From((await savers.CallAsync(NodeMethods.MulticastRate, call, Work(app), true, cancellationToken)).Record);
    }

    public async ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(live);
        var call = new P.TakeSubtasks { Token = token, Max = max };
        call.Live.AddRange(live);
        var list = await savers.CallAsync(NodeMethods.SubtasksTake, call, Work(""), false, cancellationToken);
        return [.. list.Items.Select(TaskWire.From)];
    }

    public async ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(subtask);
        var call = new P.CommitSubtask
        {
            Key = TaskWire.Key(subtask.Task.App, subtask.Task.Id), Part = subtask.Part, Token = token, From = from, To = to,
            Accepted = accepted, Refused = refused, Online = online, Users = subtask.Users.Count,
        };
        return Require(await savers.CallAsync(NodeMethods.SubtaskCommit, call, Work(subtask.Task.App), false, cancellationToken));
    }

    public async ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(subtasks);
        var call = new P.ReleaseSubtasks { Token = token };
        call.Items.AddRange(subtasks.Select(subtask => new P.SubtaskKey { Key = TaskWire.Key(subtask.Task.App, subtask.Task.Id), Part = subtask.Part }));
        await savers.CallAsync(NodeMethods.SubtasksRelease, call, Work(""), true, cancellationToken);
    }

    private static MulticastRecord Require(P.MulticastAnswer answer) =>
        TaskWire.From(answer.Record) ?? throw new StoreUnavailableException("the saver answered without a record");

    private static ulong Work(string app) => StableHash.Pair(StableHash.Of("multicasts"), StableHash.Of(app));
}
