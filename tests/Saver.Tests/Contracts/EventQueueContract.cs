using PushSystem.Contracts;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>The queue of webhook events. Inherited by each backend.</summary>
public abstract class EventQueueContract : ContractSuite
{
    private IEventQueue Events => Store.Events;

    [Fact]
    public async Task Events_come_back_in_order_with_growing_ids()
    {
        await AppendAsync(Draft("one"), Draft("two"));
        await AppendAsync(Draft("three", user: "bob"));
        await Store.ReopenAsync();

        var events = await Events.ReadAsync(App, 0, 10, 10_000, None);
        Assert.Equal(["one", "two", "three"], events.Select(TextOf));
        Assert.Equal(events.Select(queued => queued.Id).Order(), events.Select(queued => queued.Id));
        Assert.Equal((User("bob"), "upstream", 42), (events[2].Key, events[2].Type, events[2].CreatedAt));
    }

    [Fact]
    public async Task A_read_keeps_to_its_bounds_but_gives_at_least_one()
    {
        await AppendAsync(Draft("aaaa"), Draft("bbbb"), Draft("cccc"));
        var first = (await Events.ReadAsync(App, 0, 1, 1, None)).Single();

        Assert.Equal("aaaa", TextOf(first));
        Assert.Equal(["bbbb", "cccc"], (await Events.ReadAsync(App, first.Id, 10, 8, None)).Select(TextOf));
        Assert.Equal(["bbbb"], (await Events.ReadAsync(App, first.Id, 10, 7, None)).Select(TextOf));
    }

    [Fact]
    public async Task A_known_key_counts_as_stored_but_is_not_stored_again()
    {
        await AppendAsync(Draft("one", "key"));
        await Store.ReopenAsync();
        var statuses = await AppendAsync(Draft("two", "key"), Draft("three", "other"), Draft("four", "other"));

        Assert.All(statuses, status => Assert.Equal(EventStatus.Stored, status));
        Assert.Equal(["one", "three"], (await Events.ReadAsync(App, 0, 10, 10_000, None)).Select(TextOf));
    }

    [Fact]
    public async Task A_removed_event_is_still_a_duplicate()
    {
        await AppendAsync(Draft("one", "key"));
        await Events.RemoveAsync(App, [.. (await Events.ReadAsync(App, 0, 10, 10_000, None)).Select(queued => queued.Id)], None);
        await AppendAsync(Draft("again", "key"));

        Assert.Empty(await Events.ReadAsync(App, 0, 10, 10_000, None));
    }

    [Fact]
    public async Task A_key_is_free_again_after_a_day()
    {
        await AppendAsync(Draft("one", "key"));
        Store.Clock.Advance(TimeSpan.FromHours(24));
        await AppendAsync(Draft("two", "key"));
        await Store.SweepAsync();
        await AppendAsync(Draft("three", "key"));

        Assert.Equal(["one", "two"], (await Events.ReadAsync(App, 0, 10, 10_000, None)).Select(TextOf));
    }

    [Fact]
    public async Task An_empty_key_is_never_a_duplicate()
    {
        await AppendAsync(Draft("one"), Draft("one"));

        Assert.Equal(2, (await Events.ReadAsync(App, 0, 10, 10_000, None)).Count);
    }

    [Fact]
    public async Task A_full_queue_refuses_by_count_and_takes_again_after_removal()
    {
        await SetLimitsAsync(new AppLimits { EventCount = 2 });
        var statuses = await AppendAsync(Draft("one"), Draft("two"), Draft("three", "key"));
        Assert.Equal([EventStatus.Stored, EventStatus.Stored, EventStatus.Full], statuses);
        var events = await Events.ReadAsync(App, 0, 10, 10_000, None);
        await Events.RemoveAsync(App, [events[0].Id], None);

        // What was refused left no key behind.
        Assert.Equal([EventStatus.Stored], await AppendAsync(Draft("three", "key")));
        Assert.Equal(["two", "three"], (await Events.ReadAsync(App, 0, 10, 10_000, None)).Select(TextOf));
    }

    [Fact]
    public async Task A_full_queue_refuses_by_bytes_also_after_a_restart()
    {
        await SetLimitsAsync(new AppLimits { EventBytes = 10 });
        await AppendAsync(Draft("12345678"));
        await Store.ReopenAsync();

        Assert.Equal([EventStatus.Full, EventStatus.Stored], await AppendAsync(Draft("123"), Draft("12")));
        Assert.Equal(new EventBacklog(App, 2, 10), (await Events.BacklogAsync(None)).Single());
    }

    [Fact]
    public async Task The_backlog_counts_each_app()
    {
        await SetLimitsAsync(new AppLimits(), "other");
        await AppendAsync(Draft("one"), Draft("two"), Draft("x", app: "other"));
        var mine = await Events.ReadAsync(App, 0, 10, 10_000, None);
        await Events.RemoveAsync(App, [mine[0].Id, mine[0].Id, 999_999], None);

        Assert.Equal(
            [new EventBacklog("other", 1, 1), new EventBacklog(App, 1, 3)],
            (await Events.BacklogAsync(None)).OrderBy(backlog => backlog.App, StringComparer.Ordinal));
        Assert.Equal(["x"], (await Events.ReadAsync("other", 0, 10, 10_000, None)).Select(TextOf));
    }

    [Fact]
    public async Task Another_apps_events_cannot_be_removed()
    {
        await SetLimitsAsync(new AppLimits(), "other");
        await AppendAsync(Draft("one"));
        var id = (await Events.ReadAsync(App, 0, 10, 10_000, None)).Single().Id;
        await Events.RemoveAsync("other", [id], None);

        Assert.Single(await Events.ReadAsync(App, 0, 10, 10_000, None));
    }

    [Fact]
    public async Task Ids_are_not_used_again_after_everything_was_removed_and_restarted()
    {
        await AppendAsync(Draft("one"), Draft("two"));
        var last = (await Events.ReadAsync(App, 0, 10, 10_000, None))[^1].Id;
        await Events.RemoveAsync(App, [last, last - 1], None);
        await Store.ReopenAsync();
        await AppendAsync(Draft("three"));

        Assert.True((await Events.ReadAsync(App, last, 10, 10_000, None)).Single().Id > last);
    }

    private async Task<IReadOnlyList<EventStatus>> AppendAsync(params EventDraft[] drafts) => await Events.AppendAsync(drafts, None);

    private static EventDraft Draft(string body, string key = "", string user = "ann", string app = App) =>
        new(User(user, app), "upstream", key, 42, Bytes(body));

    private static string TextOf(QueuedEvent queued) => System.Text.Encoding.UTF8.GetString(queued.Body.Span);
}
