using PushSystem.Contracts;
using PushSystem.Register.Memory;

namespace PushSystem.Register;

/// <summary>
/// The session registry in the memory of this process: owns the entries, which are gone with the process (rooms bind again).
/// Any thread; calls complete at once and never wait for anything but a short lock.
/// Its maker disposes it, which ends the sweeping of dead rooms' entries.
/// </summary>
public sealed class SessionRegistry : ISessionRegistry, IAsyncDisposable
{
    private readonly SessionShard[] _shards;
    private readonly Generations _generations;
    private readonly IRoomDirectory? _rooms;
    private readonly RegisterMetrics _metrics;
    private readonly ITimer? _sweepTimer;
    private readonly Lock _sweepGate = new();
    private HashSet<RoomIncarnation> _suspects = [];

    /// <param name="options">Checked here.</param>
    /// <param name="clock">Source of generations and of the sweep's pace.</param>
    /// <param name="rooms">With it, entries of rooms that do not live are left out of counts and removed after a while.</param>
    public SessionRegistry(RegisterOptions options, TimeProvider clock, IRoomDirectory? rooms = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(clock);
        options.Validate();
        _shards = [.. Enumerable.Range(0, options.Shards).Select(_ => new SessionShard())];
        _generations = new Generations(clock);
        _rooms = rooms;
        _metrics = new RegisterMetrics(() => _shards.Sum(shard => (long)shard.Count));
        if (rooms is not null)
            _sweepTimer = clock.CreateTimer(_ => Sweep(), null, options.SweepInterval, options.SweepInterval);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var session in sessions)
            ArgumentOutOfRangeException.ThrowIfNegative(session.Generation);
        var replies = new BindReply[sessions.Count];
        for (var i = 0; i < replies.Length; i++)
        {
            replies[i] = ShardOf(sessions[i].Key).Bind(sessions[i], _generations);
            if (replies[i].Generation == 0)
                _metrics.Refused.Add(1);
            else
                _metrics.Binds.Add(1);
            if (replies[i].Previous is not null)
                _metrics.Takeovers.Add(1);
        }
        return ValueTask.FromResult<IReadOnlyList<BindReply>>(replies);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        cancellationToken.ThrowIfCancellationRequested();
        var removed = new bool[sessions.Count];
        for (var i = 0; i < removed.Length; i++)
        {
            removed[i] = ShardOf(sessions[i].Key).Unbind(sessions[i]);
            (removed[i] ? _metrics.Unbinds : _metrics.LateUnbinds).Add(1);
        }
        return ValueTask.FromResult<IReadOnlyList<bool>>(removed);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        cancellationToken.ThrowIfCancellationRequested();
        var entries = new SessionEntry?[keys.Count];
        for (var i = 0; i < entries.Length; i++)
            entries[i] = ShardOf(keys[i]).Lookup(keys[i]);
        return ValueTask.FromResult<IReadOnlyList<SessionEntry?>>(entries);
    }

    /// <inheritdoc/>
    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(app);
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(_shards.Sum(shard => shard.CountOf(app, Lives)));
    }

    /// <inheritdoc/>
    /// <remarks>Entries are lost only with the process, and with it the rooms' sessions: the number never changes.</remarks>
    public ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<long>>([1]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_sweepTimer is not null)
            await _sweepTimer.DisposeAsync();
        _metrics.Dispose();
    }

    /// <summary>
    /// Removes the entries of rooms that were dead in the round before as well: a room may be bound to before its own process hears of
    /// it, and must not lose its sessions to that.
    /// </summary>
    private void Sweep()
    {
        lock (_sweepGate)
        {
            var dead = new HashSet<RoomIncarnation>();
            foreach (var shard in _shards)
                shard.AddRooms(dead);
            dead.RemoveWhere(Lives);
            var confirmed = new HashSet<RoomIncarnation>(dead);
            confirmed.IntersectWith(_suspects);
            _suspects = dead;
            if (confirmed.Count == 0)
                return;
            foreach (var shard in _shards)
                _metrics.Swept.Add(shard.Remove(confirmed));
        }
    }

    private bool Lives(RoomIncarnation room) => _rooms is null || _rooms.Find(room.Room, room.Incarnation) is not null;

    private SessionShard ShardOf(UserKey key) => _shards[(uint)key.GetHashCode() % (uint)_shards.Length];
}
