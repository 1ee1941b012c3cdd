using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator.Presence;

/// <summary>
/// The presence of one app: decides which changes count, stores them as events and keeps who was last reported online.
/// Any thread; one batch at a time, in the order of arrival, so that a user's events are stored in order.
/// Lives as long as the notifier; owns nothing to dispose but its lock.
/// </summary>
internal sealed class PresenceBook(
    string app, IEventQueue events, IFactStore facts, ISessionRegistry sessions, IRoomDirectory rooms, TimeProvider time,
    ILogger logger, CoordinatorMetrics metrics, int usersInMemory) : IDisposable
{
    private const int SettlePage = 500;

    private readonly string _space = PresenceFact.SpaceOf(app);
    private readonly SemaphoreSlim _lock = new(1, 1);
    private readonly PresenceTable _table = new(usersInMemory);

    /// <summary>Stores the changes that are not late. True when there is a new event.</summary>
    public async Task<bool> ApplyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken)
    {
        await _lock.WaitAsync(cancellationToken);
        try
        {
            return await ApplyLockedAsync(changes, cancellationToken);
        }
        finally
        {
            _lock.Release();
        }
    }

    /// <summary>
    /// Reports users offline who were last reported online, have not been heard of since the start, and have no live session now.
    /// Returns how many.
    /// </summary>
    public async Task<int> SettleAsync(CancellationToken cancellationToken)
    {
        var after = "";
        var reported = 0;
        while (true)
        {
            await _lock.WaitAsync(cancellationToken);
            try
            {
                var page = await facts.ListAsync(_space, after, SettlePage, cancellationToken);
                if (page.Count == 0)
                    return reported;
                after = page[^1].Key;
                reported += await SettlePageLockedAsync(page, cancellationToken);
            }
            finally
            {
                _lock.Release();
            }
        }
    }

    /// <summary>Forgets who was reported online: the app does not want presence.</summary>
    public async Task ForgetAsync(CancellationToken cancellationToken)
    {
        await _lock.WaitAsync(cancellationToken);
        try
        {
            while (await facts.ListAsync(_space, "", SettlePage, cancellationToken) is { Count: > 0 } page)
                await facts.SetAsync(_space, [.. page.Select(fact => Fact(fact.Key, null))], cancellationToken);
        }
        finally
        {
            _lock.Release();
        }
    }

    public void Dispose() => _lock.Dispose();

    private async Task<bool> ApplyLockedAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken)
    {
        var last = new Dictionary<string, PresenceChange>(StringComparer.Ordinal);
        var drafts = new List<EventDraft>(changes.Count);
        foreach (var change in changes)
        {
            var user = change.Key.User;
            PresenceState? known = last.TryGetValue(user, out var earlier) ? new PresenceState(earlier.Online, earlier.Generation)
                : _table.TryGet(user, out var kept) ? kept : null;
            // A fact without a note in memory may be of a call that failed half-way: it says what is late, but not what was reported.
            var generation = known?.Generation ?? await StoredGenerationAsync(user, cancellationToken);
            if (change.Generation < generation)
                Count("late", 1);
            else if (known is { } same && same.Generation == change.Generation && same.Online == change.Online)
                Count("repeated", 1);
            else
            {
                last[user] = change;
                drafts.Add(Draft(change));
            }
        }
        if (drafts.Count == 0)
            return false;
        // Online is noted before its event and offline after it: whatever a crash cuts off is reported offline after the settle time.
        await SetFactsAsync(last.Values.Where(change => change.Online), cancellationToken);
        var statuses = await events.AppendAsync(drafts, cancellationToken);
        await SetFactsAsync(last.Values.Where(change => !change.Online), cancellationToken);
        foreach (var (user, change) in last)
            _table.Set(user, new PresenceState(change.Online, change.Generation));
        var dropped = statuses.Count(status => status == EventStatus.Full);
        Count("stored", drafts.Count - dropped);
        if (dropped > 0)
        {
            Count("dropped", dropped);
            CoordinatorLog.PresenceDropped(logger, app, dropped);
        }
        return dropped < drafts.Count;
    }

    private async Task<int> SettlePageLockedAsync(
        IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>> page, CancellationToken cancellationToken)
    {
        var unheard = new List<(UserKey Key, PresenceFact Fact)>();
        foreach (var (user, stored) in page)
        {
            if (!_table.TryGet(user, out _) && await ReadAsync(user, stored, cancellationToken) is { } fact)
                unheard.Add((new UserKey(app, user), fact));
        }
        if (unheard.Count == 0)
            return 0;
        var entries = await sessions.LookupAsync([.. unheard.Select(user => user.Key)], cancellationToken);
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var gone = new List<PresenceChange>();
        for (var i = 0; i < unheard.Count; i++)
        {
            if (entries[i] is { } entry && rooms.Find(entry.Room, entry.Incarnation) is not null)
                continue;
            var (key, fact) = unheard[i];
            gone.Add(new PresenceChange(key, Online: false, fact.Generation, fact.Device, fact.Room, now));
        }
        if (gone.Count > 0)
            await ApplyLockedAsync(gone, cancellationToken);
        return gone.Count;
    }

    private static EventDraft Draft(in PresenceChange change)
    {
        // The time is part of the key: a session may come and go several times, but a repeated call carries the same times.
        var dedupe = string.Create(CultureInfo.InvariantCulture,
            $"p:{change.Key.User}:{change.Generation}:{(change.Online ? "on" : "off")}:{change.At}");
        return new EventDraft(change.Key, EventTypes.Presence(change.Online), dedupe, change.At, EventBody.Presence(change));
    }

    private async ValueTask<long> StoredGenerationAsync(string user, CancellationToken cancellationToken) =>
        await facts.GetAsync(_space, user, cancellationToken) is { } stored && await ReadAsync(user, stored, cancellationToken) is { } fact
            ? fact.Generation
            : 0;

    private async ValueTask<PresenceFact?> ReadAsync(string user, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
    {
        try
        {
            return PresenceFact.Read(stored);
        }
        catch (JsonException exception)
        {
            CoordinatorLog.PresenceFactBroken(logger, exception, $"{app}/{user}");
            await facts.SetAsync(_space, [Fact(user, null)], cancellationToken);
            return null;
        }
    }

    private ValueTask SetFactsAsync(IEnumerable<PresenceChange> changes, CancellationToken cancellationToken)
    {
        KeyValuePair<string, ReadOnlyMemory<byte>?>[] set = [.. changes.Select(change => change.Online
            ? Fact(change.Key.User, new PresenceFact(change.Generation, change.Device, change.Room, change.At).Write())
            : Fact(change.Key.User, null))];
        return set.Length == 0 ? ValueTask.CompletedTask : facts.SetAsync(_space, set, cancellationToken);
    }

    private static KeyValuePair<string, ReadOnlyMemory<byte>?> Fact(string user, ReadOnlyMemory<byte>? value) => new(user, value);

    private void Count(string result, int count)
    {
        if (count > 0)
            metrics.Presence.Add(count, new KeyValuePair<string, object?>("result", result));
    }
}
