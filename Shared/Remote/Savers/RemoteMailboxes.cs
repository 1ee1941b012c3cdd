using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary>
/// <see cref="IMailboxes"/> of the cluster's savers: every user's partition goes to the saver that comes first for it, the next one if
/// that one is dead. Any thread; nothing to dispose.
/// </summary>
internal sealed class RemoteMailboxes(RemoteCaller savers, int partitions) : IMailboxes
{
    private static readonly HashSet<Durability> StoredLevels = [Durability.Stored, Durability.Durable];

    public IReadOnlySet<Durability> Levels => StoredLevels;

    public async ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var messages = request.Messages;
        if (messages.Count == 0)
            return new AppendReply(WriteStatus.Stored, []);
        var groups = Scatter.Group(messages, message => Work(new UserKey(request.App, message.User)), savers.Order);
        if (groups.Count == 1)
            return await AppendAsync(request, messages, groups[0].Work, cancellationToken);
        var replies = await Task.WhenAll(groups.Select(group =>
            AppendAsync(request, [.. group.Indexes.Select(index => messages[index])], group.Work, cancellationToken).AsTask()));
        return Merge(replies, groups, messages.Count);
    }

    public ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(requests);
        return Scatter.AskAsync(requests, request => Work(request.Key), savers.Order, async (work, part) =>
        {
            var call = new P.Open();
            foreach (var request in part)
            {
                call.Items.Add(new P.OpenItem
                {
                    User = CommonWire.To(request.Key), Mailbox = CommonWire.To(request.Mailbox), Broadcast = CommonWire.To(request.Broadcast),
                });
            }
            var answer = await savers.CallAsync(NodeMethods.Open, call, work, isRepeatable: true, cancellationToken);
            CommonWire.CheckCount(part.Count, answer.Items.Count, "open");
            return (IReadOnlyList<OpenReply>)[.. answer.Items.Select(item => new OpenReply(MailboxWire.From(item.Mailbox), MailboxWire.From(item.Broadcast)))];
        });
    }

    public async ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken)
    {
        var call = new P.Read
        {
            User = CommonWire.To(request.Key), Epoch = request.Epoch, FromSeq = request.FromSeq, MaxMessages = request.MaxMessages,
            MaxBytes = request.MaxBytes,
        };
        return CommonWire.From(await savers.CallAsync(NodeMethods.Read, call, Work(request.Key), isRepeatable: true, cancellationToken));
    }

    public async ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(acks);
        await Scatter.AskAsync(acks, ack => Work(ack.Key), savers.Order, async (work, part) =>
        {
            var call = new P.Acks();
            foreach (var ack in part)
                call.Items.Add(new P.AckItem { User = CommonWire.To(ack.Key), Stream = (uint)ack.Stream, Epoch = ack.Epoch, Seq = ack.Seq });
            await savers.CallAsync(NodeMethods.Ack, call, work, isRepeatable: true, cancellationToken);
            return (IReadOnlyList<bool>)new bool[part.Count];
        });
    }

    public async ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        var call = new P.Park { User = CommonWire.To(key), Epoch = epoch, Seq = seq };
        return MailboxWire.From(await savers.CallAsync(NodeMethods.Park, call, Work(key), isRepeatable: true, cancellationToken));
    }

    public ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return Scatter.AskAsync(keys, Work, savers.Order, async (work, part) =>
        {
            var call = new P.Users();
            call.Users_.AddRange(part.Select(CommonWire.To));
            var answer = await savers.CallAsync(NodeMethods.Positions, call, work, isRepeatable: true, cancellationToken);
            CommonWire.CheckCount(part.Count, answer.Positions_.Count, "positions");
            return (IReadOnlyList<StreamPosition>)[.. answer.Positions_.Select(CommonWire.From)];
        });
    }

    public async ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        var call = new P.FindMessage { User = CommonWire.To(key), Epoch = epoch, Seq = seq };
        var found = await savers.CallAsync(NodeMethods.Find, call, Work(key), isRepeatable: true, cancellationToken);
        return new MessageStatus((MessageState)found.State, found.AcceptedAt, found.ExpiresAt);
    }

    public async ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken)
    {
        var summary = await savers.CallAsync(NodeMethods.Summary, CommonWire.To(key), Work(key), isRepeatable: true, cancellationToken);
        return MailboxWire.From(summary);
    }

    private async ValueTask<AppendReply> AppendAsync(
        AppendRequest request, IReadOnlyList<MessageDraft> messages, ulong work, CancellationToken cancellationToken)
    {
        var call = MailboxWire.To(request, messages);
        var answer = await savers.CallAsync(NodeMethods.Append, call, work, isRepeatable: request.Claim is not null, cancellationToken);
        var reply = MailboxWire.From(answer);
        if (reply.Status is WriteStatus.Stored or WriteStatus.Replayed)
            CommonWire.CheckCount(messages.Count, reply.Results.Count, "append");
        return reply;
    }

    /// <summary>One reply of those of several savers. Parts that disagree about whether anything was stored leave the outcome open.</summary>
    private static AppendReply Merge(AppendReply[] replies, List<(ulong Work, List<int> Indexes)> groups, int count)
    {
        if (Array.Exists(replies, reply => reply.Status == WriteStatus.Conflict))
            return new AppendReply(WriteStatus.Conflict, []);
        var refused = replies.FirstOrDefault(reply => reply.Status is not (WriteStatus.Stored or WriteStatus.Replayed));
        if (refused is not null)
        {
            return Array.TrueForAll(replies, reply => reply.Status == refused.Status)
                ? refused
                : throw new StoreUnavailableException($"a part of the batch was refused as {refused.Status} while another part was stored");
        }
        var results = new AppendResult[count];
        for (var group = 0; group < groups.Count; group++)
        {
            for (var i = 0; i < groups[group].Indexes.Count; i++)
                results[groups[group].Indexes[i]] = replies[group].Results[i];
        }
        var status = Array.TrueForAll(replies, reply => reply.Status == WriteStatus.Replayed) ? WriteStatus.Replayed : WriteStatus.Stored;
        return new AppendReply(status, results);
    }

    private ulong Work(UserKey key) => MailboxWork.Of(StableHash.Part(key, partitions));
}

/// <summary>The name under which a partition of the mailboxes is given to savers. Never changes. Pure.</summary>
internal static class MailboxWork
{
    private static readonly ulong Kind = StableHash.Of("mailboxes");

    public static ulong Of(int partition) => StableHash.Pair(Kind, (ulong)partition);
}
