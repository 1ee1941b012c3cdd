using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Redis;

namespace PushSystem.Register.Redis;

/// <summary>
/// The session registry in redis: owns what waits on its way there and the sweeping of dead rooms' entries, and no session: any number
/// of registers work on the same redis, and any of them may die.
/// Any thread calls. Its maker disposes it, and the link after it.
/// </summary>
public sealed class RedisSessionRegistry : ISessionRegistry, IAsyncDisposable
{
    private readonly RedisContext _context;
    private readonly RegisterMetrics _metrics;
    private readonly RegisterPart[] _parts;
    private readonly DeadRooms _dead;
    private readonly Epochs _epochs;
    private readonly Sweeper _sweeper;
    private int _disposed;

    /// <param name="link">To redis; not disposed here.</param>
    /// <param name="options">Checked here.</param>
    /// <param name="rooms">Which rooms live: entries of others are left out of counts and removed after a while.</param>
    /// <param name="revision">
    /// Up to which incarnation <paramref name="rooms"/> is complete (in a cluster the revision of etcd that the view is at): entries of
    /// newer rooms are never removed. Null: the highest incarnation seen alive.
    /// </param>
    /// <param name="time">Deadlines and the sweep's pace.</param>
    /// <param name="logger">For what an operator should know.</param>
    public RedisSessionRegistry(
        IRedisLink link, RegisterOptions options, IRoomDirectory rooms, Func<long>? revision, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(rooms);
        options.Validate();
        _context = new RedisContext(link, options, time, logger);
        _parts = [.. Enumerable.Range(0, options.Parts).Select(part => new RegisterPart(_context, part))];
        _dead = new DeadRooms(rooms, revision);
        _epochs = new Epochs(_context, _parts);
        _metrics = new RegisterMetrics(() => _sweeper?.Entries ?? 0);
        _sweeper = new Sweeper(_context, _parts, _dead, _metrics);
        link.Reconnected += OnReconnected;
    }

    /// <summary>Why redis does not serve, or null: for the health page.</summary>
    public string? Failure => _context.Link.Failure;

    /// <summary>The sweep, for tests that do not want to wait for its time.</summary>
    internal Sweeper Sweeper => _sweeper;

    /// <summary>The parts, for tests of their clocks.</summary>
    internal IReadOnlyList<RegisterPart> Parts => _parts;

    /// <inheritdoc/>
    /// <remarks>A failure may leave some of the sessions bound: the outcome of each is unknown.</remarks>
    public async ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        foreach (var session in sessions)
            SessionPacking.Check(session);
        var replies = await RunAsync(sessions, static part => part.Binds, static entry => (entry.Key, entry), cancellationToken);
        foreach (var reply in replies)
        {
            (reply.Generation == 0 ? _metrics.Refused : _metrics.Binds).Add(1);
            if (reply.Previous is not null)
                _metrics.Takeovers.Add(1);
        }
        return replies;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        foreach (var session in sessions)
            SessionPacking.Check(session);
        var removed = await RunAsync(sessions, static part => part.Unbinds, static entry => (entry.Key, entry), cancellationToken);
        foreach (var one in removed)
            (one ? _metrics.Unbinds : _metrics.LateUnbinds).Add(1);
        return removed;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        foreach (var key in keys)
            SessionPacking.Check(key);
        var entries = await RunAsync(keys, static part => part.Lookups, static key => (key, (SessionEntry?)null), cancellationToken);
        foreach (var entry in entries)
        {
            if (entry is not null && _dead.IsDead(new RoomIncarnation(entry.Room, entry.Incarnation)))
                _sweeper.Offer(entry);
        }
        return entries;
    }

    /// <inheritdoc/>
    public async ValueTask<long> CountAsync(string app, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(app);
        SessionPacking.Check(new UserKey(app, ""));
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        var counts = await Task.WhenAll(_parts.Select(part => part.CountsAsync(app, cancellationToken)));
        return counts.Sum(part => part.Sum(room => _dead.IsLive(room.Key) ? room.Value : 0));
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Asked of redis at most four times a second. While redis does not serve a part, the number known last stands for it; when none is
    /// known, <see cref="StoreUnavailableException"/>.
    /// </remarks>
    public ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken) => _epochs.GetAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _context.Link.Reconnected -= OnReconnected;
        await _sweeper.DisposeAsync();
        await _epochs.DisposeAsync();
        foreach (var part in _parts)
            await Task.WhenAll(part.Binds.Idle, part.Unbinds.Idle, part.Lookups.Idle);
        _metrics.Dispose();
        _context.Dispose();
    }

    private async Task<IReadOnlyList<TReply>> RunAsync<TRequest, TReply>(
        IReadOnlyList<TRequest> requests, Func<RegisterPart, Lane<TReply>> lane, Func<TRequest, (UserKey Key, SessionEntry? Entry)> read,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        if (requests.Count == 0)
            return [];
        if (!_context.TryEnter(requests.Count))
            throw new StoreUnavailableException($"more than {_context.Options.MaxWaiting} requests wait (Register:MaxWaiting); nothing was done");
        var pieces = Cut(requests, read);
        var gather = new Gather<TReply>(requests.Count, pieces.Count, _context.Time.GetTimestamp(), cancellationToken);
        foreach (var (part, items, places) in pieces)
            lane(_parts[part]).Add(new Piece<TReply>(gather, items, places));
        return await gather.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Sorts requests by part, in their order, in pieces of at most a batch.</summary>
    private List<(int Part, Item[] Items, int[] Places)> Cut<TRequest>(
        IReadOnlyList<TRequest> requests, Func<TRequest, (UserKey Key, SessionEntry? Entry)> read)
    {
        var items = new Item[requests.Count];
        var parts = new int[requests.Count];
        var places = new int[requests.Count];
        for (var i = 0; i < items.Length; i++)
        {
            var (key, entry) = read(requests[i]);
            (parts[i], items[i]) = _context.Locate(key, entry);
            places[i] = i;
        }
        // By part and then by place: what a caller asks twice for a user is done in the order of its request.
        Array.Sort(places, (left, right) => parts[left] != parts[right] ? parts[left].CompareTo(parts[right]) : left.CompareTo(right));
        var pieces = new List<(int, Item[], int[])>();
        for (var first = 0; first < places.Length;)
        {
            var end = first + 1;
            while (end < places.Length && parts[places[end]] == parts[places[first]] && end - first < _context.Options.MaxBatch)
                end++;
            pieces.Add((parts[places[first]], Array.ConvertAll(places[first..end], place => items[place]), places[first..end]));
            first = end;
        }
        return pieces;
    }

    private void OnReconnected()
    {
        _epochs.Forget();
        foreach (var part in _parts)
            part.ForgetClock();
    }
}
