namespace PushSystem.Coordinator.Presence;

/// <summary>The last stored change of a user, and when it was heard here (Unix milliseconds, 0 = it was not).</summary>
internal readonly record struct PresenceState(bool Online, long Generation, long HeardAt = 0);

/// <summary>
/// The last presence of recently changed users, bounded in number: two halves, of which the older one is forgotten when the
/// newer one is full, so that users who change stay. Not thread-safe: the book's lock guards it.
/// </summary>
internal sealed class PresenceTable(int capacity)
{
    private readonly int _half = Math.Max(1, capacity / 2);
    private Dictionary<string, PresenceState> _newer = new(StringComparer.Ordinal);
    private Dictionary<string, PresenceState> _older = new(StringComparer.Ordinal);

    public bool TryGet(string user, out PresenceState state) => _newer.TryGetValue(user, out state) || _older.TryGetValue(user, out state);

    public void Set(string user, PresenceState state)
    {
        if (_newer.Count >= _half && !_newer.ContainsKey(user))
        {
            (_older, _newer) = (_newer, _older);
            _newer.Clear();
        }
        _older.Remove(user);
        _newer[user] = state;
    }
}
