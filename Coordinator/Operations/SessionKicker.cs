using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Coordinator.Operations;

/// <summary>
/// Ends a session wherever it is. An entry whose room is gone or does not know the session is stale: it is removed by
/// comparison, which cannot hit a newer session, and the registry is asked once more. Stateless; any thread.
/// </summary>
internal sealed class SessionKicker(ISessionRegistry sessions, IRoomDirectory rooms, ILogger logger, CoordinatorMetrics metrics)
{
    // A user that moves between rooms while we look is met again at the new place; moving three times within one call is not waited for.
    private const int MaxAttempts = 3;

    public async ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var entry = (await sessions.LookupAsync([key], cancellationToken))[0];
            if (entry is null)
                break;
            if (rooms.Find(entry.Room, entry.Incarnation) is { } room
                && (await room.KickAsync([new KickItem(key, entry.Generation, ReasonCode.Kicked)], cancellationToken))[0])
            {
                metrics.Kicks.Add(1, new KeyValuePair<string, object?>("result", "kicked"));
                return true;
            }
            if ((await sessions.UnbindAsync([entry], cancellationToken))[0])
                CoordinatorLog.StaleEntry(logger, key.ToString(), entry.Room);
        }
        metrics.Kicks.Add(1, new KeyValuePair<string, object?>("result", "absent"));
        return false;
    }
}
