using PushSystem.Contracts;

namespace PushSystem.Coordinator.Tests.Fakes;

/// <summary>The fact store's contract in memory.</summary>
public sealed class MemoryFacts : IFactStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, SortedDictionary<string, ReadOnlyMemory<byte>>> _spaces = [];

    private (TaskCompletionSource Arrived, TaskCompletionSource Release)? _heldGet;

    /// <summary>The next read of a fact does its work and waits with the answer.</summary>
    public (TaskCompletionSource Arrived, TaskCompletionSource Release) HoldGet()
    {
        var gate = (new TaskCompletionSource(), new TaskCompletionSource());
        _heldGet = gate;
        return gate;
    }

    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(string space, string key, CancellationToken cancellationToken)
    {
        var value = Get(space, key);
        if (_heldGet is { } gate)
        {
            _heldGet = null;
            gate.Arrived.SetResult();
            await gate.Release.Task;
        }
        return value;
    }

    private ReadOnlyMemory<byte>? Get(string space, string key)
    {
        lock (_lock)
            return (Space(space).TryGetValue(key, out var value) ? value : (ReadOnlyMemory<byte>?)null);
    }

    public ValueTask<IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>> ListAsync(
        string space, string afterKey, int limit, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new((KeyValuePair<string, ReadOnlyMemory<byte>>[])
                [.. Space(space).Where(fact => string.CompareOrdinal(fact.Key, afterKey) > 0).Take(limit)]);
        }
    }

    public ValueTask SetAsync(string space, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            foreach (var (key, value) in facts)
            {
                if (value is { } bytes)
                    Space(space)[key] = bytes;
                else
                    Space(space).Remove(key);
            }
        }
        return default;
    }

    public IReadOnlyList<ReadOnlyMemory<byte>> All(string space)
    {
        lock (_lock)
            return [.. Space(space).Values];
    }

    public int CountOf(string space)
    {
        lock (_lock)
            return Space(space).Count;
    }

    private SortedDictionary<string, ReadOnlyMemory<byte>> Space(string name)
    {
        if (!_spaces.TryGetValue(name, out var space))
            _spaces.Add(name, space = new SortedDictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal));
        return space;
    }
}
