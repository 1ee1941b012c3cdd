using System.Collections.Immutable;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// The copy itself: it only goes forward. A list or an event that is older than what is known is left out, wherever it came from.
/// Owned by EtcdMirror, whose loop is the only writer; any thread reads.
/// </summary>
internal sealed class MirrorState
{
    private ImmutableDictionary<string, EtcdEntry> _entries = ImmutableDictionary.Create<string, EtcdEntry>(StringComparer.Ordinal);
    private volatile EtcdSnapshot _current = EtcdSnapshot.Empty;

    public EtcdSnapshot Current => _current;

    /// <summary>Takes a full list; false when it is older than the copy. Entries that did not change stay the same objects.</summary>
    public bool Apply(EtcdRange list)
    {
        if (list.Revision < _current.Revision)
            return false;
        var next = _entries.ToBuilder();
        var listed = new HashSet<string>(StringComparer.Ordinal);
        var isChanged = _current.Revision == 0;
        foreach (var entry in list.Entries)
        {
            listed.Add(entry.Key);
            if (next.TryGetValue(entry.Key, out var known) && known.ModRevision == entry.ModRevision && known.CreateRevision == entry.CreateRevision)
                continue;
            next[entry.Key] = entry;
            isChanged = true;
        }
        foreach (var key in _entries.Keys)
        {
            if (!listed.Contains(key))
                isChanged |= next.Remove(key);
        }
        Set(isChanged, next, list.Revision);
        return true;
    }

    /// <summary>
    /// Takes the events of one line; false when one of them was known already. The revision goes to that of the last event, never to
    /// that of the line's header: while a watch catches up, the header is ahead of what was sent.
    /// </summary>
    public bool Apply(IReadOnlyList<WatchEvent> events)
    {
        var next = _entries.ToBuilder();
        var (known, revision) = (_current.Revision, _current.Revision);
        var (isChanged, isStale) = (false, false);
        foreach (var (isDelete, entry) in events)
        {
            if (entry.ModRevision <= known)
            {
                isStale = true;
                continue;
            }
            revision = Math.Max(revision, entry.ModRevision);
            isChanged = true;
            if (isDelete)
                next.Remove(entry.Key);
            else
                next[entry.Key] = entry;
        }
        Set(isChanged, next, revision);
        return !isStale;
    }

    private void Set(bool isChanged, ImmutableDictionary<string, EtcdEntry>.Builder next, long revision)
    {
        if (isChanged)
        {
            _entries = next.ToImmutable();
            _current = new EtcdSnapshot(revision, _entries);
        }
        else if (revision > _current.Revision)
        {
            _current = _current with { Revision = revision };
        }
    }
}
