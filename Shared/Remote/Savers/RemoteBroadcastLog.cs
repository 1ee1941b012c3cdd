using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary><see cref="IBroadcastLog"/> of the cluster's savers; one app's calls go to one saver while it lives. Any thread.</summary>
internal sealed class RemoteBroadcastLog(RemoteCaller savers) : IBroadcastLog
{
    public async ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var call = new P.AppendBroadcast
        {
            App = draft.App, Kind = (uint)draft.Kind, Payload = CommonWire.Bytes(draft.Payload), TimeToLive = CommonWire.To(draft.TimeToLive),
            RatePerSecond = draft.RatePerSecond, Claim = CommonWire.To(draft.Claim),
        };
        var answer = await savers.CallAsync(NodeMethods.BroadcastAppend, call, Work(draft.App), isRepeatable: draft.Claim is not null, cancellationToken);
        return new BroadcastReply((WriteStatus)answer.Status, TaskWire.From(answer.Record));
    }

    public async ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        TaskWire.From((await savers.CallAsync(NodeMethods.BroadcastFind, TaskWire.Key(app, epoch, seq), Work(app), true, cancellationToken)).Record);

    public async ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken)
    {
        var call = new P.ListBroadcasts { App = app, BeforeSeq = beforeSeq, Limit = limit };
        return TaskWire.From(await savers.CallAsync(NodeMethods.BroadcastsList, call, Work(app), true, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken) =>
        TaskWire.From(await savers.CallAsync(NodeMethods.BroadcastsUnfinished, CommonWire.Empty, Work(""), true, cancellationToken));

    public async ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        CommonWire.From(await savers.CallAsync(NodeMethods.BroadcastPayload, TaskWire.Key(app, epoch, seq), Work(app), true, cancellationToken));

    public async ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        var call = new P.MoveBroadcast { Key = TaskWire.Key(app, epoch, seq), Next = (uint)next, Fence = CommonWire.To(fence) };
        call.From.AddRange(from.Select(state => (uint)state));
        return TaskWire.From((await savers.CallAsync(NodeMethods.BroadcastMove, call, Work(app), false, cancellationToken)).Record);
    }

    public async ValueTask<BroadcastRecord?> SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken)
    {
        var call = new P.SetBroadcastRate { Key = TaskWire.Key(app, epoch, seq), RatePerSecond = ratePerSecond };
        return TaskWire.From((await savers.CallAsync(NodeMethods.BroadcastRate, call, Work(app), true, cancellationToken)).Record);
    }

    public async ValueTask ReportAsync(
        string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken)
    {
        var call = new P.ReportBroadcast
        {
            Key = TaskWire.Key(app, epoch, seq), Targeted = targeted, Sent = sent, Offline = offline, Fence = CommonWire.To(fence),
        };
        await savers.CallAsync(NodeMethods.BroadcastReport, call, Work(app), true, cancellationToken);
    }

    public async ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken) =>
        CommonWire.From(await savers.CallAsync(NodeMethods.BroadcastReleased, new P.AppName { App = app }, Work(app), true, cancellationToken));

    public async ValueTask<ReadReply> ReadAsync(
        string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken)
    {
        var call = new P.ReadBroadcasts { App = app, Epoch = epoch, FromSeq = fromSeq, MaxMessages = maxMessages, MaxBytes = maxBytes };
        return CommonWire.From(await savers.CallAsync(NodeMethods.BroadcastRead, call, Work(app), true, cancellationToken));
    }

    public async ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken) =>
        (await savers.CallAsync(NodeMethods.BroadcastKnownUsers, new P.AppName { App = app }, Work(app), true, cancellationToken)).Value;

    private static ulong Work(string app) => StableHash.Pair(StableHash.Of("broadcasts"), StableHash.Of(app));
}
