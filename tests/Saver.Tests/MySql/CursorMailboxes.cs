using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Broadcasts;

namespace PushSystem.Saver.Tests.MySql;

/// <summary>
/// The users' cursors in the broadcast log, in memory: as much of mailboxes as the suite over the broadcast log needs. Messages are not
/// stored; their keys share the space of all kept answers.
/// </summary>
internal sealed class CursorMailboxes : IMailboxes, IKnownUsers
{
    private readonly Lock _lock = new();
    private readonly Dictionary<UserKey, long> _cursors = [];

    /// <summary>Set by each opening of the store.</summary>
    public IBroadcastView Broadcasts { get; set; } = null!;

    /// <inheritdoc cref="Broadcasts"/>
    public IIdempotencyStore Answers { get; set; } = null!;

    public IReadOnlySet<Durability> Levels { get; } = new HashSet<Durability>();

    public async ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken)
    {
        var claim = request.Claim;
        if (claim is not null && !await Answers.KeepAsync(request.App, claim.Key, new IdempotentAnswer(claim.Fingerprint, 0, default), cancellationToken))
            return new AppendReply(WriteStatus.Conflict, []);
        return new AppendReply(WriteStatus.Stored, [.. request.Messages.Select(_ => default(AppendResult))]);
    }

    public async ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken)
    {
        var replies = new List<OpenReply>();
        foreach (var request in requests)
            replies.Add(new OpenReply(default, await OpenAsync(request.Key, request.Broadcast, cancellationToken)));
        return replies;
    }

    public async ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken)
    {
        foreach (var ack in acks)
        {
            var ends = await Broadcasts.EndsAsync(ack.Key.App, cancellationToken);
            if (ack.Epoch == ends.Epoch && ack.Seq <= ends.Top)
                Move(ack.Key, ends.Epoch, ack.Seq);
        }
    }

    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken)
    {
        lock (_lock)
            return ValueTask.FromResult((long)_cursors.Keys.Count(key => key.App == app));
    }

    public ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken) => throw new NotSupportedException();

    private async ValueTask<StreamOpening> OpenAsync(UserKey key, StreamPosition client, CancellationToken cancellationToken)
    {
        var ends = await Broadcasts.EndsAsync(key.App, cancellationToken);
        lock (_lock)
            _cursors.TryAdd(key, ends.Released);
        var gap = ResetReason.None;
        if (client.Epoch == ends.Epoch && client.Seq <= ends.Top)
            Move(key, ends.Epoch, client.Seq);
        else if (client != default)
            gap = ResetReason.DataLoss;
        long cursor;
        lock (_lock)
            cursor = _cursors[key];
        var (position, reason) = await Broadcasts.SkipDeadAsync(key.App, cursor, cancellationToken);
        return new StreamOpening(ends.Epoch, position, Math.Max(position, ends.Released), gap == ResetReason.None ? reason : gap);
    }

    private void Move(UserKey key, uint epoch, long seq)
    {
        long before;
        lock (_lock)
        {
            before = _cursors.GetValueOrDefault(key);
            if (seq <= before)
                return;
            _cursors[key] = seq;
        }
        Broadcasts.CountAcks(key.App, epoch, before, seq, 1);
    }
}
