using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Savers;

/// <summary>Serves <see cref="IMailboxes"/> to other nodes. Holds no state.</summary>
internal static class MailboxEndpoint
{
    public static void Add(IRpcMethods methods, IMailboxes mailboxes)
    {
        methods.Serve(NodeMethods.Append, async (call, cancel) =>
            MailboxWire.To(await mailboxes.AppendAsync(MailboxWire.From(call), cancel)));
        methods.Serve(NodeMethods.Open, async (call, cancel) =>
        {
            var requests = new OpenRequest[call.Items.Count];
            for (var i = 0; i < requests.Length; i++)
            {
                var item = call.Items[i];
                requests[i] = new OpenRequest(CommonWire.From(item.User), CommonWire.From(item.Mailbox), CommonWire.From(item.Broadcast));
            }
            var answer = new P.OpenAnswer();
            foreach (var reply in await mailboxes.OpenAsync(requests, cancel))
                answer.Items.Add(new P.OpenPair { Mailbox = MailboxWire.To(reply.Mailbox), Broadcast = MailboxWire.To(reply.Broadcast) });
            return answer;
        });
        methods.Serve(NodeMethods.Read, async (call, cancel) => CommonWire.To(await mailboxes.ReadAsync(
            new ReadRequest(CommonWire.From(call.User), call.Epoch, call.FromSeq, call.MaxMessages, call.MaxBytes), cancel)));
        methods.Serve(NodeMethods.Ack, async (call, cancel) =>
        {
            var acks = new AckEntry[call.Items.Count];
            for (var i = 0; i < acks.Length; i++)
            {
                var item = call.Items[i];
                acks[i] = new AckEntry(CommonWire.From(item.User), (StreamKind)item.Stream, item.Epoch, item.Seq);
            }
            await mailboxes.AckAsync(acks, cancel);
            return CommonWire.Empty;
        });
        methods.Serve(NodeMethods.Park, async (call, cancel) =>
            MailboxWire.To(await mailboxes.ParkAsync(CommonWire.From(call.User), call.Epoch, call.Seq, cancel)));
        methods.Serve(NodeMethods.Positions, async (call, cancel) =>
        {
            var answer = new P.Positions();
            foreach (var position in await mailboxes.PositionsAsync([.. call.Users_.Select(CommonWire.From)], cancel))
                answer.Positions_.Add(CommonWire.To(position));
            return answer;
        });
        methods.Serve(NodeMethods.Find, async (call, cancel) =>
        {
            var status = await mailboxes.FindAsync(CommonWire.From(call.User), call.Epoch, call.Seq, cancel);
            return new P.FoundMessage { State = (uint)status.State, AcceptedAt = status.AcceptedAt, ExpiresAt = status.ExpiresAt };
        });
        methods.Serve(NodeMethods.Summary, async (user, cancel) => MailboxWire.To(await mailboxes.SummaryAsync(CommonWire.From(user), cancel)));
    }
}
