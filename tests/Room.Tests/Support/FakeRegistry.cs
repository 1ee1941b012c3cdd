using PushSystem.Contracts;

namespace PushSystem.Room.Tests.Support;

/// <summary>A registry with the contract's compare rules.</summary>
internal sealed class FakeRegistry : ISessionRegistry
{
    private readonly Lock _lock = new();
    private readonly Dictionary<UserKey, SessionEntry> _entries = [];
    private readonly Dictionary<UserKey, long> _generations = [];

    /// <summary>What the registry says of its data.</summary>
    public IReadOnlyList<long> Epochs { get; set; } = [1];

    public CallScript Script { get; } = new();
    public List<(SessionEntry Entry, bool Removed)> Unbinds { get; } = [];

    public SessionEntry? Of(UserKey key)
    {
        lock (_lock)
            return _entries.GetValueOrDefault(key);
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _entries.Count;
        }
    }

    public int UnbindCount
    {
        get
        {
            lock (_lock)
                return Unbinds.Count;
        }
    }

    /// <summary>Puts an entry in as another room would; returns the one that it replaced.</summary>
    public BindReply Put(SessionEntry session) => Put(session, keep: false);

    /// <summary>The same; with <paramref name="keep"/> the entry has exactly the generation that it names.</summary>
    public BindReply Put(SessionEntry session, bool keep)
    {
        lock (_lock)
        {
            if (session.Generation != 0 && _entries.TryGetValue(session.Key, out var newer) && newer.Generation > session.Generation)
                return default;
            var generation = keep ? session.Generation : _generations[session.Key] = _generations.GetValueOrDefault(session.Key) + 1;
            var previous = _entries.GetValueOrDefault(session.Key);
            _entries[session.Key] = session with { Generation = generation };
            return new BindReply(generation, previous);
        }
    }

    /// <summary>Takes an entry back if it is still the same.</summary>
    public void Take(SessionEntry entry)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(entry.Key, out var stored) && stored == entry)
                _entries.Remove(entry.Key);
        }
    }

    /// <summary>Every entry is lost; generations go on growing, and the marks of the data change.</summary>
    public void Wipe()
    {
        lock (_lock)
            _entries.Clear();
        Epochs = [.. Epochs.Select(epoch => epoch + 1)];
    }

    /// <summary>Loses the entries of one part only.</summary>
    public void WipePart(int part)
    {
        lock (_lock)
        {
            foreach (var key in _entries.Keys.Where(key => StableHash.Part(key, Epochs.Count) == part).ToList())
                _entries.Remove(key);
        }
        Epochs = [.. Epochs.Select((epoch, i) => i == part ? epoch + 1 : epoch)];
    }

    public List<SessionEntry> Entries
    {
        get
        {
            lock (_lock)
                return [.. _entries.Values];
        }
    }

    public async ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken)
    {
        await Script.Before(nameof(EpochsAsync), cancellationToken);
        return Epochs;
    }

    public async ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(BindAsync), cancellationToken);
        var replies = sessions.Select(Put).ToList();
        await Script.After(nameof(BindAsync), cancellationToken);
        return replies;
    }

    public async ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(UnbindAsync), cancellationToken);
        var removed = new List<bool>();
        lock (_lock)
        {
            foreach (var session in sessions)
            {
                var match = _entries.TryGetValue(session.Key, out var stored) && stored.Room == session.Room
                    && stored.Incarnation == session.Incarnation && stored.Connection == session.Connection
                    && (session.Generation == 0 || session.Generation == stored.Generation);
                if (match)
                    _entries.Remove(session.Key);
                removed.Add(match);
                Unbinds.Add((session, match));
            }
        }
        await Script.After(nameof(UnbindAsync), cancellationToken);
        return removed;
    }

    public async ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(LookupAsync), cancellationToken);
        return keys.Select(Of).ToList();
    }

    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken) => new(Count);
}
