using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>Short forms for the suites over <see cref="IMailboxes"/>.</summary>
public abstract class MailboxSuite : ContractSuite
{
    protected IMailboxes Mailboxes => Store.Mailboxes;

    protected static MessageDraft Draft(string user, string text, TimeSpan? ttl = null) => new(user, PayloadKind.Text, Bytes(text), ttl);

    protected async Task<AppendReply> AppendAsync(IReadOnlyList<MessageDraft> drafts, IdempotencyClaim? claim = null, string app = App) =>
        await Mailboxes.AppendAsync(new AppendRequest(app, Durability.Durable, drafts, claim), None);

    /// <summary>Appends texts to one user.</summary>
    protected async Task<IReadOnlyList<AppendResult>> SendAsync(string user, params string[] texts)
    {
        var reply = await AppendAsync([.. texts.Select(text => Draft(user, text))]);
        Assert.Equal(WriteStatus.Stored, reply.Status);
        return reply.Results;
    }

    protected async Task<AppendResult> SendExpiringAsync(string user, string text, TimeSpan ttl) =>
        (await AppendAsync([Draft(user, text, ttl)])).Results[0];

    protected async Task<StreamOpening> OpenMailboxAsync(string user = "ann", uint epoch = 0, long seq = 0) =>
        (await Mailboxes.OpenAsync([new OpenRequest(User(user), new StreamPosition(epoch, seq), default)], None))[0].Mailbox;

    protected async Task<StreamOpening> OpenBroadcastAsync(string user = "ann", uint epoch = 0, long seq = 0) =>
        (await Mailboxes.OpenAsync([new OpenRequest(User(user), default, new StreamPosition(epoch, seq))], None))[0].Broadcast;

    protected async Task<ReadReply> ReadAsync(long from, int maxMessages = 1_000, int maxBytes = 1 << 20, string user = "ann", uint? epoch = null) =>
        await Mailboxes.ReadAsync(new ReadRequest(User(user), epoch ?? await EpochAsync(user), from, maxMessages, maxBytes), None);

    /// <summary>What a read gives, as "seq:text" and "seq!Reason".</summary>
    protected static string Show(ReadReply reply) => string.Join(' ', reply.Entries.Select(entry => entry.Gap == ResetReason.None
        ? $"{entry.Seq}:{System.Text.Encoding.UTF8.GetString(entry.Payload.Span)}"
        : $"{entry.Seq}!{entry.Gap}"));

    protected async Task<uint> EpochAsync(string user = "ann") => (await Mailboxes.PositionsAsync([User(user)], None))[0].Epoch;

    protected async Task AckAsync(long seq, string user = "ann", uint? epoch = null) =>
        await Mailboxes.AckAsync([new AckEntry(User(user), StreamKind.Mailbox, epoch ?? await EpochAsync(user), seq)], None);

    protected async Task<MessageState> StateAsync(long seq, string user = "ann", uint? epoch = null) =>
        (await Mailboxes.FindAsync(User(user), epoch ?? await EpochAsync(user), seq, None)).State;
}
