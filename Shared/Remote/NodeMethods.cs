using Google.Protobuf;
using PushSystem.Remote.Proto;
using PushSystem.Rpc;

namespace PushSystem.Remote;

/// <summary>
/// All methods between nodes with their numbers, which are never reused: a method whose meaning changes gets a new one, so that nodes of
/// neighbouring versions understand each other. docs/node-protocol.md lists them.
/// </summary>
internal static class NodeMethods
{
    public static readonly RpcMethod<Append, AppendAnswer> Append = Make(100, "mailboxes.append", Proto.Append.Parser, AppendAnswer.Parser);
    public static readonly RpcMethod<Open, OpenAnswer> Open = Make(101, "mailboxes.open", Proto.Open.Parser, OpenAnswer.Parser);
    public static readonly RpcMethod<Read, ReadAnswer> Read = Make(102, "mailboxes.read", Proto.Read.Parser, ReadAnswer.Parser);
    public static readonly RpcMethod<Acks, Empty> Ack = Make(103, "mailboxes.ack", Acks.Parser, Empty.Parser);
    public static readonly RpcMethod<Park, Opening> Park = Make(104, "mailboxes.park", Proto.Park.Parser, Opening.Parser);
    public static readonly RpcMethod<Users, Positions> Positions = Make(105, "mailboxes.positions", Users.Parser, Proto.Positions.Parser);
    public static readonly RpcMethod<FindMessage, FoundMessage> Find = Make(106, "mailboxes.find", FindMessage.Parser, FoundMessage.Parser);
    public static readonly RpcMethod<User, Summary> Summary = Make(107, "mailboxes.summary", User.Parser, Proto.Summary.Parser);

    public static readonly RpcMethod<AppendBroadcast, AppendBroadcastAnswer> BroadcastAppend = Make(120, "broadcasts.append", AppendBroadcast.Parser, AppendBroadcastAnswer.Parser);
    public static readonly RpcMethod<BroadcastKey, BroadcastAnswer> BroadcastFind = Make(121, "broadcasts.find", BroadcastKey.Parser, BroadcastAnswer.Parser);
    public static readonly RpcMethod<ListBroadcasts, BroadcastList> BroadcastsList = Make(122, "broadcasts.list", ListBroadcasts.Parser, BroadcastList.Parser);
    public static readonly RpcMethod<Empty, BroadcastList> BroadcastsUnfinished = Make(123, "broadcasts.unfinished", Empty.Parser, BroadcastList.Parser);
    public static readonly RpcMethod<BroadcastKey, Blob> BroadcastPayload = Make(124, "broadcasts.payload", BroadcastKey.Parser, Blob.Parser);
    public static readonly RpcMethod<MoveBroadcast, BroadcastAnswer> BroadcastMove = Make(125, "broadcasts.move", MoveBroadcast.Parser, BroadcastAnswer.Parser);
    public static readonly RpcMethod<SetBroadcastRate, BroadcastAnswer> BroadcastRate = Make(126, "broadcasts.rate", SetBroadcastRate.Parser, BroadcastAnswer.Parser);
    public static readonly RpcMethod<ReportBroadcast, Empty> BroadcastReport = Make(127, "broadcasts.report", ReportBroadcast.Parser, Empty.Parser);
    public static readonly RpcMethod<AppName, Position> BroadcastReleased = Make(128, "broadcasts.released", AppName.Parser, Position.Parser);
    public static readonly RpcMethod<ReadBroadcasts, ReadAnswer> BroadcastRead = Make(129, "broadcasts.read", ReadBroadcasts.Parser, ReadAnswer.Parser);
    public static readonly RpcMethod<AppName, Number> BroadcastKnownUsers = Make(130, "broadcasts.known_users", AppName.Parser, Number.Parser);

    public static readonly RpcMethod<EventList, EventStatuses> EventsAppend = Make(140, "events.append", EventList.Parser, EventStatuses.Parser);
    public static readonly RpcMethod<ReadEvents, EventList> EventsRead = Make(141, "events.read", ReadEvents.Parser, EventList.Parser);
    public static readonly RpcMethod<RemoveEvents, Empty> EventsRemove = Make(142, "events.remove", RemoveEvents.Parser, Empty.Parser);
    public static readonly RpcMethod<Empty, BacklogList> EventsBacklog = Make(143, "events.backlog", Empty.Parser, BacklogList.Parser);
    public static readonly RpcMethod<FactKey, Blob> FactGet = Make(150, "facts.get", FactKey.Parser, Blob.Parser);
    public static readonly RpcMethod<ListFacts, FactList> FactsList = Make(151, "facts.list", ListFacts.Parser, FactList.Parser);
    public static readonly RpcMethod<FactList, Empty> FactsSet = Make(152, "facts.set", FactList.Parser, Empty.Parser);
    public static readonly RpcMethod<IdempotencyKey, IdempotentReply> ReplyFind = Make(155, "replies.find", IdempotencyKey.Parser, IdempotentReply.Parser);
    public static readonly RpcMethod<KeepReply, Flag> ReplyKeep = Make(156, "replies.keep", KeepReply.Parser, Flag.Parser);
    public static readonly RpcMethod<WorkClaim, Number> WorkClaim = Make(158, "work.claim", Proto.WorkClaim.Parser, Number.Parser);
    public static readonly RpcMethod<WorkClaim, Empty> WorkRelease = Make(159, "work.release", Proto.WorkClaim.Parser, Empty.Parser);

    public static readonly RpcMethod<CreateMulticast, MulticastAnswer> MulticastCreate = Make(160, "multicasts.create", CreateMulticast.Parser, MulticastAnswer.Parser);
    public static readonly RpcMethod<AddMulticastPart, Empty> MulticastPart = Make(161, "multicasts.part", AddMulticastPart.Parser, Empty.Parser);
    public static readonly RpcMethod<SealMulticast, SealAnswer> MulticastSeal = Make(162, "multicasts.seal", SealMulticast.Parser, SealAnswer.Parser);
    public static readonly RpcMethod<MulticastKey, Empty> MulticastDiscard = Make(163, "multicasts.discard", MulticastKey.Parser, Empty.Parser);
    public static readonly RpcMethod<MulticastKey, MulticastAnswer> MulticastFind = Make(164, "multicasts.find", MulticastKey.Parser, MulticastAnswer.Parser);
    public static readonly RpcMethod<ListMulticasts, MulticastList> MulticastsList = Make(165, "multicasts.list", ListMulticasts.Parser, MulticastList.Parser);
    public static readonly RpcMethod<MulticastKey, Blob> MulticastPayload = Make(166, "multicasts.payload", MulticastKey.Parser, Blob.Parser);
    public static readonly RpcMethod<MoveMulticast, MulticastAnswer> MulticastMove = Make(167, "multicasts.move", MoveMulticast.Parser, MulticastAnswer.Parser);
    public static readonly RpcMethod<SetMulticastRate, MulticastAnswer> MulticastRate = Make(168, "multicasts.rate", SetMulticastRate.Parser, MulticastAnswer.Parser);
    public static readonly RpcMethod<TakeSubtasks, SubtaskList> SubtasksTake = Make(169, "subtasks.take", TakeSubtasks.Parser, SubtaskList.Parser);
    public static readonly RpcMethod<CommitSubtask, MulticastAnswer> SubtaskCommit = Make(170, "subtasks.commit", CommitSubtask.Parser, MulticastAnswer.Parser);
    public static readonly RpcMethod<ReleaseSubtasks, Empty> SubtasksRelease = Make(171, "subtasks.release", ReleaseSubtasks.Parser, Empty.Parser);

    public static readonly RpcMethod<Sessions, BoundList> Bind = Make(200, "sessions.bind", Sessions.Parser, BoundList.Parser);
    public static readonly RpcMethod<Sessions, Flags> Unbind = Make(201, "sessions.unbind", Sessions.Parser, Flags.Parser);
    public static readonly RpcMethod<LookupUsers, Sessions> Lookup = Make(202, "sessions.lookup", LookupUsers.Parser, Sessions.Parser);
    public static readonly RpcMethod<AppName, Number> SessionCount = Make(203, "sessions.count", AppName.Parser, Number.Parser);
    public static readonly RpcMethod<Empty, Numbers> SessionEpochs = Make(204, "sessions.epochs", Empty.Parser, Numbers.Parser);

    public static readonly RpcMethod<Deliver, DeliverAnswer> Deliver = Make(300, "room.deliver", Proto.Deliver.Parser, DeliverAnswer.Parser);
    public static readonly RpcMethod<Kick, Flags> Kick = Make(301, "room.kick", Proto.Kick.Parser, Flags.Parser);
    public static readonly RpcMethod<FanOut, FanOutProgress> FanOut = Make(302, "room.fan_out", Proto.FanOut.Parser, FanOutProgress.Parser);

    public static readonly RpcMethod<Upstream, UpstreamAnswer> Submit = Make(400, "coordinator.submit", Upstream.Parser, UpstreamAnswer.Parser);
    public static readonly RpcMethod<PresenceList, Empty> Notify = Make(401, "coordinator.notify", PresenceList.Parser, Empty.Parser);
    public static readonly RpcMethod<User, Flag> KickUser = Make(402, "coordinator.kick", User.Parser, Flag.Parser);
    public static readonly RpcMethod<AppName, Empty> WakeEvents = Make(403, "coordinator.wake", AppName.Parser, Empty.Parser);

    public static readonly RpcMethod<AppName, Empty> WakeTasks = Make(500, "center.wake", AppName.Parser, Empty.Parser);

    private static RpcMethod<TRequest, TReply> Make<TRequest, TReply>(ushort id, string name, MessageParser<TRequest> request, MessageParser<TReply> reply)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage =>
        new(id, name, request, reply);
}
