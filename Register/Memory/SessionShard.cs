using PushSystem.Contracts;

namespace PushSystem.Register.Memory;

/// <summary>
/// One part of the registry: its entries, and how many each room has per app. Any thread, under its own lock, which is never held
/// while waiting. Owned by <see cref="SessionRegistry"/>.
/// </summary>
internal sealed class SessionShard
{
    private readonly Lock _gate = new();
    private readonly Dictionary<UserKey, SessionEntry> _entries = [];
    private readonly Dictionary<(string App, RoomIncarnation Room), long> _counts = [];

    public int Count
    {
        get
        {
            lock (_gate)
                return _entries.Count;
        }
    }

    /// <summary>Puts the session in under a new generation, unless a newer one is there.</summary>
    public BindReply Bind(SessionEntry session, Generations generations)
    {
        lock (_gate)
        {
            _entries.TryGetValue(session.Key, out var previous);
            if (session.Generation != 0 && previous is not null && previous.Generation > session.Generation)
                return default;
            // Taken inside the lock, so that of two binds of a user the later one has the higher generation.
            var generation = generations.Next(Math.Max(session.Generation, previous?.Generation ?? 0));
            _entries[session.Key] = session with { Generation = generation };
            if (previous is not null)
                CountLocked(previous, -1);
            CountLocked(session, 1);
            return new BindReply(generation, previous);
        }
    }

    /// <summary>True when the entry was still this room's connection.</summary>
    public bool Unbind(SessionEntry session)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(session.Key, out var stored)
                || stored.Room != session.Room || stored.Incarnation != session.Incarnation || stored.Connection != session.Connection
                || (session.Generation != 0 && stored.Generation != session.Generation))
            {
                return false;
            }
            _entries.Remove(session.Key);
            CountLocked(stored, -1);
            return true;
        }
    }

    public SessionEntry? Lookup(UserKey key)
    {
        lock (_gate)
            return _entries.GetValueOrDefault(key);
    }

    /// <summary>Entries of an app whose room passes the filter.</summary>
    public long CountOf(string app, Func<RoomIncarnation, bool> lives)
    {
        long count = 0;
        lock (_gate)
        {
            foreach (var ((countedApp, room), sessions) in _counts)
            {
                if (countedApp == app && lives(room))
                    count += sessions;
            }
        }
        return count;
    }

    /// <summary>Adds the rooms that have entries here.</summary>
    public void AddRooms(HashSet<RoomIncarnation> rooms)
    {
        lock (_gate)
        {
            foreach (var (_, room) in _counts.Keys)
                rooms.Add(room);
        }
    }

    /// <summary>Removes all entries of these rooms; says how many.</summary>
    public int Remove(HashSet<RoomIncarnation> rooms)
    {
        lock (_gate)
        {
            var removed = 0;
            foreach (var (key, entry) in _entries)
            {
                if (!rooms.Contains(new RoomIncarnation(entry.Room, entry.Incarnation)))
                    continue;
                _entries.Remove(key);
                CountLocked(entry, -1);
                removed++;
            }
            return removed;
        }
    }

    private void CountLocked(SessionEntry entry, int change)
    {
        var key = (entry.Key.App, new RoomIncarnation(entry.Room, entry.Incarnation));
        var count = _counts.GetValueOrDefault(key) + change;
        if (count == 0)
            _counts.Remove(key);
        else
            _counts[key] = count;
    }
}
