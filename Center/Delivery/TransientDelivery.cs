using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Delivery;

/// <summary>Hands messages of the level transient to rooms while their sender waits for the outcome. Stateless; any thread.</summary>
internal sealed class TransientDelivery(
    SessionRouter router, RoomBreakers breakers, CenterOptions options, CenterMetrics metrics, TimeProvider time, ILogger<TransientDelivery> logger)
{
    /// <summary>
    /// Whether each message was taken by its user's room. A room that fails has not taken them; nothing is tried twice but a stale
    /// registry entry.
    /// </summary>
    public async ValueTask<bool[]> DeliverAsync(string app, IReadOnlyList<MessageDraft> drafts, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var delivered = new bool[drafts.Count];
        var keys = new UserKey[drafts.Count];
        for (var i = 0; i < keys.Length; i++)
            keys[i] = new UserKey(app, drafts[i].User);
        var entries = await router.LookupAsync(keys, cancellationToken);
        var waiting = new List<Addressed>(drafts.Count);
        for (var i = 0; i < keys.Length; i++)
        {
            if (entries[i] is { } entry)
                waiting.Add(new Addressed(i, entry));
        }
        var stale = await HandOutAsync(waiting);
        if (stale.Count > 0)
        {
            var renewed = await router.ReplaceAsync([.. stale.Select(addressed => addressed.Entry)], cancellationToken);
            waiting.Clear();
            for (var i = 0; i < stale.Count; i++)
            {
                if (renewed[i] is { } entry)
                    waiting.Add(new Addressed(stale[i].Index, entry));
            }
            await HandOutAsync(waiting);
        }
        var taken = delivered.Count(one => one);
        if (taken > 0)
            metrics.Transient(delivered: true, taken);
        if (taken < delivered.Length)
            metrics.Transient(delivered: false, delivered.Length - taken);
        return delivered;

        async ValueTask<List<Addressed>> HandOutAsync(List<Addressed> addressed)
        {
            var notHere = new List<Addressed>();
            var calls = addressed.GroupBy(one => (one.Entry.Room, one.Entry.Incarnation)).Select(room => CallAsync([.. room]));
            foreach (var result in await Task.WhenAll(calls))
                notHere.AddRange(result);
            return notHere;
        }

        async Task<IEnumerable<Addressed>> CallAsync(Addressed[] group)
        {
            var (room, incarnation) = (group[0].Entry.Room, group[0].Entry.Incarnation);
            if (router.Room(group[0].Entry) is not { } node || !breakers.TryEnter(room, incarnation))
                return [];
            var items = new DeliverItem[group.Length];
            for (var i = 0; i < items.Length; i++)
                items[i] = Item(keys[group[i].Index], drafts[group[i].Index], group[i].Entry.Generation, now);
            try
            {
                var outcomes = await node.DeliverAsync(items, cancellationToken).WithinAsync(options.RoomTimeout, time);
                breakers.Succeeded(room, incarnation);
                for (var i = 0; i < group.Length; i++)
                    delivered[group[i].Index] = outcomes[i] == DeliverOutcome.Taken;
                return group.Where((_, i) => outcomes[i] == DeliverOutcome.NotHere);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                CenterLog.DeliveryFailing(logger, exception, room, incarnation);
                breakers.Failed(room, incarnation);
                return [];
            }
        }
    }

    private static DeliverItem Item(UserKey key, MessageDraft draft, long generation, long now)
    {
        var expiresAt = draft.TimeToLive is { } timeToLive ? now + (long)timeToLive.TotalMilliseconds : 0;
        return new DeliverItem(key, generation, 0, 0, draft.Kind, expiresAt, draft.Payload);
    }

    private readonly record struct Addressed(int Index, SessionEntry Entry);
}
