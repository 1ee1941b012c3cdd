using PushSystem.Contracts;

namespace PushSystem.Center.Delivery;

/// <summary>Asks the registry where users are. Stateless; any thread.</summary>
internal sealed class SessionRouter(ISessionRegistry registry, IRoomDirectory rooms, CenterMetrics metrics)
{
    /// <summary>The room of an entry; null when it does not live with that incarnation any more, which makes the entry void.</summary>
    public IRoomNode? Room(SessionEntry entry) => rooms.Find(entry.Room, entry.Incarnation);

    /// <summary>Whether the room of an entry lives with another incarnation or not at all.</summary>
    public bool IsGone(string room, long incarnation) => rooms.Find(room, incarnation) is null;

    /// <summary>The entries of users as stored.</summary>
    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        registry.LookupAsync(keys, cancellationToken);

    /// <summary>
    /// Takes back entries that their rooms do not know, unless they have been replaced meanwhile, and looks the users up once more.
    /// </summary>
    public async ValueTask<IReadOnlyList<SessionEntry?>> ReplaceAsync(IReadOnlyList<SessionEntry> stale, CancellationToken cancellationToken)
    {
        metrics.Stale(stale.Count);
        await registry.UnbindAsync(stale, cancellationToken);
        return await registry.LookupAsync([.. stale.Select(entry => entry.Key)], cancellationToken);
    }
}
