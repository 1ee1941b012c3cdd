using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Delivery;

/// <summary>Asks the registry where users are. Stateless; any thread.</summary>
internal sealed class SessionRouter(
    [FromKeyedServices(BoundedStores.Key)] ISessionRegistry registry, IRoomDirectory rooms, CenterMetrics metrics)
{
    /// <summary>
    /// The room of an entry; null when it does not live with that incarnation as far as known here, which makes the entry void only if
    /// <see cref="IsVoid"/> says so.
    /// </summary>
    public IRoomNode? Room(SessionEntry entry) => rooms.Find(entry.Room, entry.Incarnation);

    /// <summary>
    /// Whether the entry counts for nothing. One of a room that this process has not heard of yet does count: the room is younger than
    /// what the directory knows.
    /// </summary>
    public bool IsVoid(SessionEntry entry) => entry.Incarnation <= rooms.Revision && rooms.Find(entry.Room, entry.Incarnation) is null;

    /// <summary>Whether the room of an entry lives with another incarnation or not at all.</summary>
    public bool IsGone(string room, long incarnation) => rooms.Find(room, incarnation) is null;

    /// <summary>The entries of users as stored.</summary>
    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        registry.LookupAsync(keys, cancellationToken);

    /// <summary>
    /// Takes back entries that their rooms do not know, unless they have been replaced meanwhile, and looks the users up once more.
    /// Never entries of rooms that are merely unknown here: only a room that answered can say that a session is not there.
    /// </summary>
    public async ValueTask<IReadOnlyList<SessionEntry?>> ReplaceAsync(IReadOnlyList<SessionEntry> stale, CancellationToken cancellationToken)
    {
        metrics.Stale(stale.Count);
        await registry.UnbindAsync(stale, cancellationToken);
        return await registry.LookupAsync([.. stale.Select(entry => entry.Key)], cancellationToken);
    }
}
