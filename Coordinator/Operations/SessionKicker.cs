using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Coordinator.Operations;

/// <summary>
/// Ends a session wherever it is. An entry whose room is gone or does not know the session is stale: it is removed by
/// comparison, which cannot hit a newer session, and the registry is asked once more. A room that this process has not heard of yet is
/// not gone: the view is refreshed first. Stateless; any thread.
/// </summary>
internal sealed class SessionKicker(
    ISessionRegistry sessions, IRoomDirectory rooms, Func<CancellationToken, ValueTask>? refreshRooms, TimeProvider time, ILogger logger,
    CoordinatorMetrics metrics)
{
    // A user that moves between rooms while we look is met again at the new place; moving three times within one call is not waited for.
    private const int MaxAttempts = 3;
    private static readonly TimeSpan ViewDelay = TimeSpan.FromMilliseconds(200);

    public async ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var entry = (await sessions.LookupAsync([key], cancellationToken))[0];
            if (entry is null)
                break;
            if (IsUnheard(entry))
                await RefreshAsync(cancellationToken);
            if (RoomOf(entry) is { } room
                && (await room.KickAsync([new KickItem(key, entry.Generation, ReasonCode.Kicked)], cancellationToken))[0])
            {
                metrics.Kicks.Add(1, new KeyValuePair<string, object?>("result", "kicked"));
                return true;
            }
            if (!IsUnheard(entry) && (await sessions.UnbindAsync([entry], cancellationToken))[0])
                CoordinatorLog.StaleEntry(logger, key.ToString(), entry.Room);
        }
        metrics.Kicks.Add(1, new KeyValuePair<string, object?>("result", "absent"));
        return false;
    }

    private bool IsUnheard(SessionEntry entry) =>
        entry.Incarnation > rooms.Revision && rooms.Find(entry.Room, entry.Incarnation) is null;

    // A room that lost its incarnation keeps its sessions and is about to bind them again under the new one.
    private IRoomNode? RoomOf(SessionEntry entry)
    {
        if (rooms.Find(entry.Room, entry.Incarnation) is { } room)
            return room;
        var renewed = rooms.Rooms.FirstOrDefault(info => info.Id == entry.Room && info.Incarnation > entry.Incarnation);
        return renewed is null ? null : rooms.Find(renewed.Id, renewed.Incarnation);
    }

    private async ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        if (refreshRooms is not null)
            await refreshRooms(cancellationToken);
        else
            await Task.Delay(ViewDelay, time, cancellationToken);
    }
}
