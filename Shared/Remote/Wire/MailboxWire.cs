using PushSystem.Contracts;
using PushSystem.Protocol;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Wire;

/// <summary>Mailboxes between contract types and node messages. Pure.</summary>
internal static class MailboxWire
{
    public static P.Append To(AppendRequest request, IReadOnlyList<MessageDraft> messages)
    {
        var call = new P.Append { App = request.App, Level = (uint)request.Level, Claim = CommonWire.To(request.Claim) };
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            call.Messages.Add(new P.AppendMessage
            {
                User = message.User, Kind = (uint)message.Kind, Payload = CommonWire.Bytes(message.Payload),
                TimeToLive = CommonWire.To(message.TimeToLive),
            });
        }
        return call;
    }

    public static AppendRequest From(P.Append call)
    {
        var messages = new MessageDraft[call.Messages.Count];
        for (var i = 0; i < messages.Length; i++)
        {
            var message = call.Messages[i];
            messages[i] = new MessageDraft(
                message.User, (PayloadKind)message.Kind, message.Payload.Memory, CommonWire.From(message.TimeToLive));
        }
        return new AppendRequest(call.App, (Durability)call.Level, messages, CommonWire.From(call.Claim));
    }

    public static P.AppendAnswer To(AppendReply reply)
    {
        var answer = new P.AppendAnswer { Status = (uint)reply.Status };
        foreach (var result in reply.Results)
        {
            answer.Results.Add(new P.AppendedAt
            {
                Epoch = result.Epoch, Seq = result.Seq, AcceptedAt = result.AcceptedAt, ExpiresAt = result.ExpiresAt,
            });
        }
        return answer;
    }

    public static AppendReply From(P.AppendAnswer answer)
    {
        var results = new AppendResult[answer.Results.Count];
        for (var i = 0; i < results.Length; i++)
        {
            var result = answer.Results[i];
            results[i] = new AppendResult(result.Epoch, result.Seq, result.AcceptedAt, result.ExpiresAt);
        }
        return new AppendReply((WriteStatus)answer.Status, results);
    }

    public static P.Opening To(StreamOpening opening) =>
        new() { Epoch = opening.Epoch, Seq = opening.Seq, Top = opening.Top, Gap = (uint)opening.Gap };

    public static StreamOpening From(P.Opening? opening) =>
        opening is null ? throw CommonWire.Missing("opening") : new StreamOpening(opening.Epoch, opening.Seq, opening.Top, (ResetReason)opening.Gap);

    public static P.Summary To(MailboxSummary? summary) => summary is null ? new P.Summary() : new P.Summary
    {
        Exists = true, Epoch = summary.Epoch, Acked = summary.Acked, Top = summary.Top, PendingMessages = summary.PendingMessages,
        PendingBytes = summary.PendingBytes, OldestAt = summary.OldestAt, LastAckAt = summary.LastAckAt,
    };

    public static MailboxSummary? From(P.Summary summary) => !summary.Exists ? null : new MailboxSummary(
        summary.Epoch, summary.Acked, summary.Top, summary.PendingMessages, summary.PendingBytes, summary.OldestAt, summary.LastAckAt);
}
