using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>
/// The open sessions of one app on one shard, as a list for walks: a hole is filled with the last one, so that a walk from the end
/// to the front meets everyone who was there when it began. Used on the shard's turn only; nothing needs disposal.
/// </summary>
internal sealed class ShardApp(string id)
{
    private readonly List<int> _sessions = [];

    public string Id { get; } = id;

    public int Count => _sessions.Count;

    public int this[int place] => _sessions[place];

    /// <summary>What the position check was told last, and in how many more rounds it compares that with the sessions.</summary>
    public StreamPosition Released { get; set; }
    public int ChecksLeft { get; set; }

    /// <summary>Fan-outs that this shard has begun and not forgotten, oldest first.</summary>
    public List<FanoutWalk> Walks { get; } = [];

    public int Add(int session)
    {
        _sessions.Add(session);
        return _sessions.Count - 1;
    }

    /// <summary>Returns the session that takes the place, -1 = none.</summary>
    public int RemoveAt(int place)
    {
        var last = _sessions.Count - 1;
        var moved = place == last ? -1 : _sessions[last];
        _sessions[place] = _sessions[last];
        _sessions.RemoveAt(last);
        return moved;
    }
}
