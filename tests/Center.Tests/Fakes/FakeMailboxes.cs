using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>Mailboxes in memory: append, find and summary. Everything else is a room's business and refuses.</summary>
internal sealed class FakeMailboxes(TimeProvider time) : IMailboxes
{
    private readonly Lock _lock = new();
    private readonly Dictionary<UserKey, List<(AppendResult Result, MessageDraft Draft, Durability Level)>> _mailboxes = [];
    private readonly Dictionary<(string App, string Key), (byte[] Fingerprint, IReadOnlyList<AppendResult> Results)> _claims = [];

    public IReadOnlySet<Durability> Levels { get; set; } = new HashSet<Durability> { Durability.Stored, Durability.Durable };

    /// <summary>Answers or throws instead of the store.</summary>
    public Func<AppendRequest, AppendReply?>? OnAppend { get; set; }

    /// <summary>Where a test holds appends.</summary>
    public Func<Task>? BeforeAppend { get; set; }

    public Dictionary<UserKey, MailboxSummary> Summaries { get; } = [];

    public Dictionary<(UserKey Key, uint Epoch, long Seq), MessageStatus> Statuses { get; } = [];

    public int AppendCount { get; private set; }

    public IReadOnlyList<(AppendResult Result, MessageDraft Draft, Durability Level)> Of(string app, string user)
    {
        lock (_lock)
            return [.. _mailboxes.GetValueOrDefault(new UserKey(app, user)) ?? []];
    }

    public int Total
    {
        get
        {
            lock (_lock)
                return _mailboxes.Values.Sum(list => list.Count);
        }
    }

    public async ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken)
    {
        if (BeforeAppend is not null)
            await BeforeAppend();
        lock (_lock)
        {
            AppendCount++;
            if (OnAppend?.Invoke(request) is { } scripted)
                return scripted;
            if (!Levels.Contains(request.Level))
                return new AppendReply(WriteStatus.LevelUnavailable, []);
            if (request.Claim is { } claim && _claims.TryGetValue((request.App, claim.Key), out var first))
            {
                return claim.Fingerprint.Span.SequenceEqual(first.Fingerprint)
                    ? new AppendReply(WriteStatus.Replayed, first.Results)
                    : new AppendReply(WriteStatus.Conflict, []);
            }
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            var results = new List<AppendResult>();
            foreach (var draft in request.Messages)
            {
                var key = new UserKey(request.App, draft.User);
                if (!_mailboxes.TryGetValue(key, out var mailbox))
                    _mailboxes.Add(key, mailbox = []);
                var expiresAt = now + (long)(draft.TimeToLive ?? TimeSpan.FromDays(7)).TotalMilliseconds;
                var result = new AppendResult(1, mailbox.Count + 1, now, expiresAt);
                mailbox.Add((result, draft, request.Level));
                results.Add(result);
            }
            if (request.Claim is not null)
                _claims[(request.App, request.Claim.Key)] = (request.Claim.Fingerprint.ToArray(), results);
            return new AppendReply(WriteStatus.Stored, results);
        }
    }

    public ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Statuses.GetValueOrDefault((key, epoch, seq)));

    public ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Summaries.GetValueOrDefault(key));

    public ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken) => throw NotCenters();

    public ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken) => throw NotCenters();

    public ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken) => throw NotCenters();

    public ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) => throw NotCenters();

    public ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) => throw NotCenters();

    private static InvalidOperationException NotCenters() => new("the center has no business with this call");
}
