using PushSystem.Contracts;

namespace PushSystem.Room.Sessions;

/// <summary>
/// Which sessions have to be bound again: every one that was last bound before <see cref="All"/>, and those of a part of the registry
/// that were before that part's number. Immutable. Versions count the demands of this process from 1.
/// </summary>
internal sealed record RegistryDemand(uint Version, uint All, uint[] Parts)
{
    /// <summary>Whether the entry of a session that was last bound at a version still counts.</summary>
    public bool IsMet(UserKey key, uint boundVersion) => boundVersion >= Version
        || (boundVersion >= All && (Parts.Length == 0 || boundVersion >= Parts[StableHash.Part(key, Parts.Length)]));
}

/// <summary>
/// Says what the registry has to be told anew and knows when that is done. It owns the demand, which only grows: another loss during
/// a re-flush is one more demand. Any thread; the shards' <see cref="Rebinder"/> carry it out; nothing needs disposal.
/// </summary>
internal sealed class Registrations(RoomContext room)
{
    private readonly Lock _lock = new();
    private readonly List<(uint Version, TaskCompletionSource Done)> _waiting = [];
    private readonly uint[] _done = new uint[room.Services.Engine.Shards.Count];
    private volatile RegistryDemand _demand = new(1, 1, []);

    public RegistryDemand Demand => _demand;

    /// <summary>Session slots that the walks under way have not looked at.</summary>
    public long Left => room.Shards.Sum(shard => (long)shard.Rebinder.Left);

    /// <summary>Sessions per second over all shards.</summary>
    public Delivery.RateBudget Budget { get; } = new(room.Services.Time, room.Options.ReflushRate);

    /// <summary>Every session; completes when all of this room's have been bound again or have ended.</summary>
    public Task DemandAll()
    {
        lock (_lock)
        {
            var version = _demand.Version + 1;
            _demand = new RegistryDemand(version, version, []);
            return BeginLocked(version);
        }
    }

    /// <summary>The sessions of the marked parts.</summary>
    public Task DemandParts(IReadOnlyList<bool> parts)
    {
        lock (_lock)
        {
            var version = _demand.Version + 1;
            var demands = new uint[parts.Count];
            for (var i = 0; i < demands.Length; i++)
                demands[i] = parts[i] ? version : _demand.Parts.Length == parts.Count ? _demand.Parts[i] : _demand.All;
            // What was asked of parts under another count is asked of all, so that nothing is forgotten.
            var all = _demand.Parts.Length == 0 || _demand.Parts.Length == parts.Count ? _demand.All : _demand.Version;
            _demand = new RegistryDemand(version, all, demands);
            return BeginLocked(version);
        }
    }

    /// <summary>A shard has nothing left to do for any demand up to this one.</summary>
    public void Done(int shard, uint version)
    {
        lock (_lock)
        {
            _done[shard] = Math.Max(_done[shard], version);
            var all = _done.Min();
            foreach (var (_, done) in _waiting.Where(waiter => waiter.Version <= all))
                done.TrySetResult();
            _waiting.RemoveAll(waiter => waiter.Version <= all);
        }
    }

    private Task BeginLocked(uint version)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Add((version, done));
        foreach (var shard in room.Shards)
            shard.Post(static next => next.Rebinder.Start(), shard);
        return done.Task;
    }
}
