using System.Data.Common;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Redis.Operations;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Redis;

/// <summary>
/// <see cref="IMailboxes"/> over redis with a landing tier behind it. Any thread: requests are checked here, divided among the partitions,
/// and put together again. Owns the partitions, the lander and the keeper; the redis link and the data source are the caller's.
/// </summary>
internal sealed class RedisMailboxes : IMailboxes, IKnownUsers, IAsyncDisposable
{
    private static readonly IReadOnlySet<Durability> OfferedLevels = new HashSet<Durability> { Durability.Stored, Durability.Durable };

    private readonly IAppDirectory _apps;
    private readonly IBroadcastView _broadcasts;
    private readonly ClusterSaverOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RedisSaverMetrics _metrics = new();
    private readonly LandingTotals _totals = new();
    private readonly RedisKnownUsers _knownUsers;
    private readonly AppendClaims _claims;
    private readonly PartitionWriter[] _partitions;
    private readonly Lander _lander;
    private readonly PartitionKeeper _keeper;
    private bool _disposed;

    /// <param name="partitions">Fixed for the life of the data.</param>
    /// <param name="nodeId">Who owns partitions here, for people who look into redis.</param>
    public RedisMailboxes(
        IRedisLink link, DbDataSource landing, IAppDirectory apps, IBroadcastView broadcasts, int partitions, string nodeId,
        ClusterSaverOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partitions, 1);
        options.Validate();
        (_apps, _broadcasts, _options, _time) = (apps, broadcasts, options, time);
        _logger = loggers.CreateLogger<RedisMailboxes>();
        var store = new LandingStore(landing, options);
        var writer = new LandingWriter(store, options, _metrics, time, _logger);
        var services = new PartitionServices(link, store, writer, _totals, partitions, nodeId, options, _metrics, time, _logger, broadcasts);
        _knownUsers = new RedisKnownUsers(link, partitions);
        _claims = new AppendClaims(link, partitions, time);
        // Only called when something happens, which is after this constructor.
        _partitions = [.. Enumerable.Range(0, partitions).Select(part => new PartitionWriter(part, services, () => _lander!.Wake(), () => _keeper!.Wake()))];
        _lander = new Lander(_partitions, writer, store, options, _metrics, time, _logger);
        _keeper = new PartitionKeeper(_partitions, link, store, _lander, options, time, _logger);
        _metrics.ObserveLag(_totals, () => LagAge().TotalSeconds);
    }

    public IReadOnlySet<Durability> Levels => OfferedLevels;

    /// <summary>Rows that wait to be landed, as far as they are known.</summary>
    public long LagRows => _totals.Rows;

    /// <summary>The partitions, for tests and the health page.</summary>
    public IReadOnlyList<PartitionWriter> Partitions => _partitions;

    /// <summary>Begins landing and keeping, and the partitions that do not exist yet; the others are taken when they are asked for.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _lander.Start();
        await _keeper.KeepAsync(mayAdopt: false, mayBegin: true, cancellationToken);
        _keeper.Start();
    }

    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken) => _knownUsers.CountAsync(app, cancellationToken);

    public async ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!OfferedLevels.Contains(request.Level))
            return new AppendReply(WriteStatus.LevelUnavailable, []);
        var limits = Require(request.App).Limits;
        var count = request.Messages.Count;
        if (count == 0 || count > _options.AppendMessages)
            throw new ArgumentException($"messages: {count}, allowed are 1 to {_options.AppendMessages}", nameof(request));
        var claim = IdempotencyRows.Check(request.Claim);
        var drafts = new StoredDraft[count];
        for (var i = 0; i < count; i++)
            drafts[i] = DraftCheck.Check(request.Messages[i], limits, i);
        var durable = request.Level == Durability.Durable;
        if (IsLagging(durable))
            return new AppendReply(WriteStatus.Overloaded, []);
        (string Key, long ClaimedAt)? claimed = null;
        if (claim is not null)
        {
            if (await _claims.TakeAsync(request.App, claim, cancellationToken) is not { } claimedAt)
                return new AppendReply(WriteStatus.Conflict, []);
            claimed = (claim.Key, claimedAt);
        }
        return await AppendAsync(request.App, limits, drafts, claimed, durable, cancellationToken);
    }

    private async Task<AppendReply> AppendAsync(
        string app, AppLimits limits, StoredDraft[] drafts, (string, long)? claim, bool durable, CancellationToken cancellationToken)
    {
        var groups = Enumerable.Range(0, drafts.Length).GroupBy(i => StableHash.Part(new UserKey(app, drafts[i].User), _partitions.Length)).ToList();
        var operations = new List<(int[] Indexes, AppendOperation Operation)>(groups.Count);
        foreach (var group in groups)
        {
            int[] indexes = [.. group];
            var operation = new AppendOperation(app, limits, [.. indexes.Select(i => drafts[i])], claim, durable);
            if (_partitions[group.Key].TryAdd(operation))
            {
                operations.Add((indexes, operation));
                continue;
            }
            if (operations.Count == 0)
                return new AppendReply(WriteStatus.Overloaded, []);
            // Others have taken their part: whether the request is stored cannot be said with one word.
            await Task.WhenAll(operations.Select(one => one.Operation.Done)).WaitAsync(cancellationToken);
            throw new StoreUnavailableException($"Partition {group.Key} has no room; a part of the request is stored. Try again with its idempotency key.");
        }
        await Task.WhenAll(operations.Select(one => one.Operation.Done)).WaitAsync(cancellationToken);
        if (durable)
            await LandedAsync(Task.WhenAll(operations.Select(one => one.Operation.Landed!)), cancellationToken);
        var results = new AppendResult[drafts.Length];
        foreach (var (indexes, operation) in operations)
        {
            for (var i = 0; i < indexes.Length; i++)
                results[indexes[i]] = operation.Results[i];
        }
        return new AppendReply(operations.TrueForAll(one => one.Operation.IsReplayed) ? WriteStatus.Replayed : WriteStatus.Stored, results);
    }

    private async Task LandedAsync(Task landed, CancellationToken cancellationToken)
    {
        try
        {
            await landed.WaitAsync(_options.DurableTimeout, _time, cancellationToken);
        }
        catch (TimeoutException exception)
        {
            throw new StoreUnavailableException(
                $"The messages are stored but not durable: they did not land within {_options.DurableTimeout}.", exception);
        }
    }

    public async ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(requests);
        var openings = new Opening[requests.Count];
        var ends = new Dictionary<string, (AppLimits Limits, BroadcastEnds Ends)>();
        for (var i = 0; i < openings.Length; i++)
        {
            var key = requests[i].Key;
            CheckKey(key);
            if (!ends.TryGetValue(key.App, out var app))
                ends[key.App] = app = (Require(key.App).Limits, await _broadcasts.EndsAsync(key.App, cancellationToken));
            openings[i] = new Opening(i, requests[i], app.Limits, app.Ends);
        }
        await Task.WhenAll(openings.GroupBy(opening => Part(opening.Request.Key)).Select(group =>
            _partitions[group.Key].RunAsync(new OpenOperation([.. group]), cancellationToken)));
        var replies = new OpenReply[openings.Length];
        foreach (var opening in openings)
        {
            var key = opening.Request.Key;
            if (opening.CursorBefore >= 0)
                _broadcasts.CountAcks(key.App, opening.Ends.Epoch, opening.CursorBefore, opening.Cursor, 1);
            var (position, reason) = await _broadcasts.SkipDeadAsync(key.App, opening.Cursor, cancellationToken);
            replies[opening.Index] = new OpenReply(
                opening.Mailbox,
                new StreamOpening(
                    opening.Ends.Epoch, position, Math.Max(position, opening.Ends.Released), ResetReasons.Stronger(opening.BroadcastGap, reason)));
        }
        return replies;
    }

    public async ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken)
    {
        CheckKey(request.Key);
        if (request.MaxMessages < 1)
            throw new ArgumentException($"maxMessages: {request.MaxMessages} must be at least 1", nameof(request));
        if (request.MaxBytes < 1)
            throw new ArgumentException($"maxBytes: {request.MaxBytes} must be at least 1", nameof(request));
        var read = new ReadOperation(request);
        await PartitionOf(request.Key).RunAsync(read, cancellationToken);
        return read.Reply;
    }

    public async ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(acks);
        var ends = new Dictionary<string, BroadcastEnds>();
        foreach (var ack in acks)
        {
            if (_apps.Find(ack.Key.App) is null || ack.Seq < 1)
            {
                _metrics.AcksIgnored.Add(1);
                continue;
            }
            if (ack.Stream == StreamKind.Broadcast)
            {
                if (!ends.TryGetValue(ack.Key.App, out var log))
                    ends[ack.Key.App] = log = await _broadcasts.EndsAsync(ack.Key.App, cancellationToken);
                if (ack.Epoch != log.Epoch || ack.Seq > log.Top)
                {
                    _metrics.AcksIgnored.Add(1);
                    continue;
                }
            }
            if (!PartitionOf(ack.Key).TryAcknowledge(ack))
                throw new StoreUnavailableException($"{_options.AckQueue} acknowledgements wait for redis already.");
        }
    }

    public async ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        CheckKey(key);
        var park = new ParkOperation(key, epoch, seq);
        await PartitionOf(key).RunAsync(park, cancellationToken);
        return park.Opening;
    }

    public async ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        var positions = new StreamPosition[keys.Count];
        await Task.WhenAll(Enumerable.Range(0, keys.Count).Where(i => _apps.Find(keys[i].App) is not null).GroupBy(i => Part(keys[i])).Select(group =>
            _partitions[group.Key].RunAsync(new PositionsOperation([.. group.Select(i => (i, keys[i]))], positions), cancellationToken)));
        return positions;
    }

    public async ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        CheckKey(key);
        var find = new FindOperation(key, epoch, seq);
        await PartitionOf(key).RunAsync(find, cancellationToken);
        return find.Status;
    }

    public async ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken)
    {
        CheckKey(key);
        var summary = new SummaryOperation(key);
        await PartitionOf(key).RunAsync(summary, cancellationToken);
        return summary.Summary;
    }

    /// <summary>Finishes what is queued and lands what waits, within <see cref="ClusterSaverOptions.StopTimeout"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _keeper.DisposeAsync();
        await _lander.StopAsync();
        using (var limit = new CancellationTokenSource(_options.StopTimeout, _time))
        {
            try
            {
                await Task.WhenAll(_partitions.Select(partition => partition.FlushAsync(limit.Token)));
                await _lander.FlushAsync(limit.Token);
            }
            catch (Exception exception) when (exception is StoreUnavailableException or OperationCanceledException)
            {
                RedisSaverLog.CollectFailed(_logger, exception);
            }
        }
        if (_totals.Rows > 0)
            RedisSaverLog.StoppedUnlanded(_logger, _totals.Rows);
        await AbandonAsync();
    }

    /// <summary>Ends without finishing or landing anything, as the death of the process would.</summary>
    internal async Task AbandonAsync()
    {
        _disposed = true;
        await _keeper.DisposeAsync();
        await Task.WhenAll(_partitions.Select(partition => partition.DisposeAsync().AsTask()));
        await _lander.DisposeAsync();
        _metrics.Dispose();
    }

    private bool IsLagging(bool durable)
    {
        var lagging = _totals.Rows > _options.StoredLagRows
            || (durable && (_totals.Rows > _options.DurableLagRows || LagAge() > _options.DurableLagAge));
        if (lagging)
            _metrics.LagRefused.Add(1);
        return lagging;
    }

    private TimeSpan LagAge()
    {
        if (_totals.Rows == 0)
            return TimeSpan.Zero;
        var oldest = _partitions.Min(partition => partition.Landing.OldestAt ?? long.MaxValue);
        return oldest == long.MaxValue
            ? TimeSpan.Zero
            : TimeSpan.FromMilliseconds(Math.Max(0, _time.GetUtcNow().ToUnixTimeMilliseconds() - oldest));
    }

    private int Part(UserKey key) => StableHash.Part(key, _partitions.Length);

    private PartitionWriter PartitionOf(UserKey key) => _partitions[Part(key)];

    private AppRecord Require(string app) => _apps.Find(app) ?? throw new ArgumentException($"app: '{app}' does not exist");

    private void CheckKey(UserKey key)
    {
        Require(key.App);
        StoredText.CheckUser(key.User);
    }
}
