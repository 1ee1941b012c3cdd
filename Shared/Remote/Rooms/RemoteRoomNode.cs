using Google.Protobuf;
using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Rooms;

/// <summary>
/// One incarnation of a room on another node. What it has to say reaches only that incarnation: a later one answers as if it had no
/// such session. Any thread; nothing to dispose.
/// </summary>
internal sealed class RemoteRoomNode(INodeLinks links, NodeAddress address, long incarnation, TimeSpan timeout) : IRoomNode
{
    public NodeAddress Address => address;

    public long Incarnation => incarnation;

    public async ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(items);
        if (items.Count == 0)
            return [];
        var call = new P.Deliver { Incarnation = incarnation };
        foreach (var item in items)
        {
            call.Items.Add(new P.DeliverMessage
            {
                User = CommonWire.To(item.Key), Generation = item.Generation, Epoch = item.Epoch, Seq = item.Seq, Kind = (uint)item.Kind,
                ExpiresAt = item.ExpiresAt, Payload = CommonWire.Bytes(item.Payload),
            });
        }
        var answer = await CallAsync(NodeMethods.Deliver, call, cancellationToken);
        CommonWire.CheckCount(items.Count, answer.Outcomes.Count, "room.deliver");
        return [.. answer.Outcomes.Select(outcome => (DeliverOutcome)outcome)];
    }

    public async ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(items);
        if (items.Count == 0)
            return [];
        var call = new P.Kick { Incarnation = incarnation };
        foreach (var item in items)
            call.Items.Add(new P.KickUser { User = CommonWire.To(item.Key), Generation = item.Generation, Reason = (uint)item.Reason });
        var answer = await CallAsync(NodeMethods.Kick, call, cancellationToken);
        CommonWire.CheckCount(items.Count, answer.Values.Count, "room.kick");
        return [.. answer.Values];
    }

    public async ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        var call = new P.FanOut
        {
            Incarnation = incarnation, App = command.App, Epoch = command.Epoch, Seq = command.Seq, Action = (uint)command.Action,
            RatePerSecond = command.RatePerSecond, Kind = (uint)command.Kind, ExpiresAt = command.ExpiresAt,
            Payload = CommonWire.Bytes(command.Payload),
        };
        var progress = await CallAsync(NodeMethods.FanOut, call, cancellationToken);
        return new FanoutProgress(progress.Known, progress.Finished, progress.Targeted, progress.Sent);
    }

    private async ValueTask<TReply> CallAsync<TRequest, TReply>(RpcMethod<TRequest, TReply> method, TRequest call, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage
    {
        try
        {
            return await links.To(address).CallAsync(method, call, timeout, cancellationToken);
        }
        catch (RpcException exception)
        {
            throw RemoteCaller.Translate(exception, address, method.Name);
        }
    }
}
