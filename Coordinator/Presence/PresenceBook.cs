using System.Globalization;
using System.Text.Json;
using PushSystem.Contracts;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator.Presence;

/// <summary>
/// The presence of one app: decides which changes count, stores them as events and keeps who was last reported what.
/// Any thread; one batch at a time, in the order of arrival, so that a user's events are stored in order.
/// Lives as long as the app is owned here, and begins with what the owner before has stored; owns nothing to dispose but its lock.
/// </summary>
internal sealed class PresenceBook(string app, PresenceContext context, Func<bool> mayWork) : IDisposable
{
    private const int Page = 500;

    private readonly string _space = PresenceFact.SpaceOf(app);
    private readonly SemaphoreSlim _lock = new(1, 1);
    private readonly PresenceTable _table = new(context.Options.PresenceUsersInMemory);

    /// <summary>
    /// Stores the changes that are not late. True when there is a new event. Throws <see cref="FencedException"/> when the app may be
    /// another process's by now.
    /// </summary>
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
    /// Users last reported online who have no live session now and have not been heard of since <paramref name="since"/> (Unix
    /// milliseconds), with their generations; at most as many as are kept in memory. Forgets those who have been offline for long.
    /// </summary>
    public async Task<Dictionary<string, long>> SuspectsAsync(long since, CancellationToken cancellationToken)
    {
        var suspects = new Dictionary<string, long>(StringComparer.Ordinal);
        await ForEachPageAsync(async page =>
        {
            await ForgetOldLockedAsync(page, cancellationToken);
            foreach (var (key, fact) in await AbsentAsync(page, since, cancellationToken))
            {
                if (suspects.Count < context.Options.PresenceUsersInMemory)
                    suspects[key.User] = fact.Generation;
            }
        }, cancellationToken);
        return suspects;
    }

    /// <summary>Reports those offline who are still as <see cref="SuspectsAsync"/> found them. Returns how many.</summary>
    public async Task<int> ReportAsync(Dictionary<string, long> suspects, long since, CancellationToken cancellationToken)
    {
        var reported = 0;
        await ForEachPageAsync(async page =>
        {
            var inQuestion = page.FindAll(item => suspects.TryGetValue(item.User, out var generation) && generation == item.Fact.Generation);
            var now = context.UnixNow;
            var gone = (await AbsentAsync(inQuestion, since, cancellationToken))
                .ConvertAll(item => new PresenceChange(item.Key, Online: false, item.Fact.Generation, item.Fact.Device, item.Fact.Room, now));
            if (gone.Count > 0)
                await ApplyLockedAsync(gone, cancellationToken);
            reported += gone.Count;
        }, cancellationToken);
        return reported;
    }

    /// <summary>Forgets who was reported what: the app does not want presence.</summary>
    public async Task ForgetAsync(CancellationToken cancellationToken)
    {
        await _lock.WaitAsync(cancellationToken);
        try
        {
            while (await context.Facts.ListAsync(_space, "", Page, cancellationToken) is { Count: > 0 } page)
                await SetAsync([.. page.Select(fact => Fact(fact.Key, null))], cancellationToken);
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
            PresenceState? noted = last.TryGetValue(user, out var earlier) ? new PresenceState(earlier.Online, earlier.Generation)
                : _table.TryGet(user, out var kept) ? kept : null;
            // A fact without a note in memory may be of a call that failed half-way: it says what is late, but not that it was reported.
            var known = noted ?? await StoredAsync(user, cancellationToken);
            // Within one generation a user comes once and goes once.
            if (change.Generation < known.Generation || (change.Generation == known.Generation && change.Online && !known.Online))
                Count("late", 1);
            else if (noted is { } same && same.Generation == change.Generation && same.Online == change.Online)
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
        ThrowIfFenced();
        var statuses = await context.Events.AppendAsync(drafts, cancellationToken);
        await SetFactsAsync(last.Values.Where(change => !change.Online), cancellationToken);
        var now = context.UnixNow;
        foreach (var (user, change) in last)
            _table.Set(user, new PresenceState(change.Online, change.Generation, now));
        var dropped = statuses.Count(status => status == EventStatus.Full);
        Count("stored", drafts.Count - dropped);
        if (dropped > 0)
        {
            Count("dropped", dropped);
            CoordinatorLog.PresenceDropped(context.Logger, app, dropped);
        }
        return dropped < drafts.Count;
    }

    private async Task ForEachPageAsync(Func<List<(string User, PresenceFact Fact)>, Task> visit, CancellationToken cancellationToken)
    {
        for (var after = ""; ;)
        {
            await _lock.WaitAsync(cancellationToken);
            try
            {
                var stored = await context.Facts.ListAsync(_space, after, Page, cancellationToken);
                if (stored.Count == 0)
                    return;
                after = stored[^1].Key;
                var page = new List<(string, PresenceFact)>(stored.Count);
                foreach (var (user, value) in stored)
                {
                    if (await ReadAsync(user, value, cancellationToken) is { } fact)
                        page.Add((user, fact));
                }
                await visit(page);
            }
            finally
            {
                _lock.Release();
            }
        }
    }

    private async Task<List<(UserKey Key, PresenceFact Fact)>> AbsentAsync(
        List<(string User, PresenceFact Fact)> page, long since, CancellationToken cancellationToken)
    {
        var unheard = page.FindAll(item => item.Fact.Online && !(_table.TryGet(item.User, out var state) && state.HeardAt >= since))
            .ConvertAll(item => (Key: new UserKey(app, item.User), item.Fact));
        if (unheard.Count == 0)
            return unheard;
        var entries = await context.Sessions.LookupAsync(unheard.ConvertAll(item => item.Key), cancellationToken);
        // A room that is not known here yet may live.
        return [.. unheard.Where((_, i) => entries[i] is not { } entry
            || (context.Rooms.Find(entry.Room, entry.Incarnation) is null && entry.Incarnation <= context.Rooms.Revision))];
    }

    private async Task ForgetOldLockedAsync(List<(string User, PresenceFact Fact)> page, CancellationToken cancellationToken)
    {
        var before = context.UnixNow - (long)context.Options.PresenceKeepOffline.TotalMilliseconds;
        var old = page.FindAll(item => !item.Fact.Online && item.Fact.At < before).ConvertAll(item => Fact(item.User, null));
        if (old.Count > 0)
            await SetAsync(old, cancellationToken);
    }

    private static EventDraft Draft(in PresenceChange change)
    {
        // The time is part of the key: it tells what a settling reports from what a room reports, and a repeated call carries the same.
        var dedupe = string.Create(CultureInfo.InvariantCulture,
            $"p:{change.Key.User}:{change.Generation}:{(change.Online ? "on" : "off")}:{change.At}");
        return new EventDraft(change.Key, EventTypes.Presence(change.Online), dedupe, change.At, EventBody.Presence(change));
    }

    private async ValueTask<PresenceState> StoredAsync(string user, CancellationToken cancellationToken) =>
        await context.Facts.GetAsync(_space, user, cancellationToken) is { } stored && await ReadAsync(user, stored, cancellationToken) is { } fact
            ? new PresenceState(fact.Online, fact.Generation)
            : new PresenceState(false, -1);

    private async ValueTask<PresenceFact?> ReadAsync(string user, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
    {
        try
        {
            return PresenceFact.Read(stored);
        }
        catch (JsonException exception)
        {
            CoordinatorLog.PresenceFactBroken(context.Logger, exception, $"{app}/{user}");
            await SetAsync([Fact(user, null)], cancellationToken);
            return null;
        }
    }

    private ValueTask SetFactsAsync(IEnumerable<PresenceChange> changes, CancellationToken cancellationToken) => SetAsync(
        [.. changes.Select(change => Fact(change.Key.User,
            new PresenceFact(change.Generation, change.Device, change.Room, change.At, change.Online).Write()))], cancellationToken);

    private ValueTask SetAsync(IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken)
    {
        if (facts.Count == 0)
            return ValueTask.CompletedTask;
        ThrowIfFenced();
        return context.Facts.SetAsync(_space, facts, cancellationToken);
    }

    // Before every write: a process that was paused must not overwrite what its successor has stored meanwhile.
    private void ThrowIfFenced()
    {
        if (!mayWork())
            throw new FencedException($"This coordinator may not decide about the presence of app '{app}' any more.");
    }

    private static KeyValuePair<string, ReadOnlyMemory<byte>?> Fact(string user, ReadOnlyMemory<byte>? value) => new(user, value);

    private void Count(string result, int count)
    {
        if (count > 0)
            context.Metrics.Presence.Add(count, new KeyValuePair<string, object?>("result", result));
    }
}
