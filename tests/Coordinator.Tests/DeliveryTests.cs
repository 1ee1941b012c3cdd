using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using PushSystem.Contracts;
using PushSystem.Coordinator.Tests.Fakes;
using PushSystem.Coordinator.Upstream;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Coordinator.Tests;

public sealed class DeliveryTests : IDisposable
{
    private readonly Rig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task A_users_events_stay_in_order_through_failures_and_only_that_user_waits()
    {
        var failures = 0;
        await using var receiver = await WebhookReceiver.StartAsync(request =>
            request.Name == "ann:2" && Interlocked.Increment(ref failures) <= 3 ? 500 : 200);
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        for (var i = 1; i <= 5; i++)
        {
            foreach (var user in new[] { "ann", "bob", "cat" })
                await coordinator.SubmitAsync(_rig.Message(user, i), CancellationToken.None);
        }
        // The clock stands still: nothing of ann's can be tried again, and the others finish.
        await Waiting.Until(() => receiver.Accepted.Count(name => !name.StartsWith("ann")) == 10, "the other users' events");
        await Waiting.Until(() => receiver.Answered.Any(answer => answer.Status == 500), "the failure");
        Assert.Equal(["ann:1"], receiver.Accepted.Where(name => name.StartsWith("ann")));

        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "all events are delivered");
        foreach (var user in new[] { "ann", "bob", "cat" })
            Assert.Equal(Enumerable.Range(1, 5).Select(i => $"{user}:{i}"), receiver.Accepted.Where(name => name.StartsWith(user)));
        Assert.Equal(3, receiver.Answered.Count(answer => answer.Status == 500));
    }

    [Fact]
    public async Task Every_attempt_of_an_event_carries_the_same_id()
    {
        var first = true;
        await using var receiver = await WebhookReceiver.StartAsync(_ =>
        {
            var status = first ? 503 : 200;
            first = false;
            return status;
        });
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "the event is delivered");
        await coordinator.SubmitAsync(_rig.Message("ann", 2), CancellationToken.None);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "the second event is delivered");
        var ids = receiver.Requests.Select(request => request.Id).ToArray();
        Assert.Equal(3, ids.Length);
        Assert.Equal(ids[0], ids[1]);
        Assert.NotEqual(ids[0], ids[2]);
    }

    [Fact]
    public async Task Nothing_is_lost_when_another_coordinator_goes_on_with_the_same_queue()
    {
        var down = true;
        await using var receiver = await WebhookReceiver.StartAsync(request => down && request.Name.EndsWith(":2", StringComparison.Ordinal) ? 500 : 200);
        _rig.Add(Rig.App, receiver.Url);
        await using (var before = await _rig.StartAsync())
        {
            for (var i = 1; i <= 3; i++)
            {
                foreach (var user in new[] { "ann", "bob" })
                    await before.SubmitAsync(_rig.Message(user, i), CancellationToken.None);
            }
            await Waiting.Until(() => receiver.Answered.Count(answer => answer.Status == 500) == 2, "both users are stuck at their second event");
        }
        Assert.Equal(4, _rig.Events.Count);
        down = false;
        await using var after = await _rig.StartAsync();
        await Waiting.Until(() => _rig.Events.Count == 0, "the backlog is delivered without being woken by a message");
        foreach (var user in new[] { "ann", "bob" })
            Assert.Equal([$"{user}:1", $"{user}:2", $"{user}:3"], receiver.Accepted.Where(name => name.StartsWith(user)));
    }

    [Fact]
    public async Task An_answer_that_gets_lost_in_a_crash_leads_to_a_repetition_not_to_a_loss()
    {
        await using var receiver = await WebhookReceiver.StartAsync(_ =>
        {
            _rig.Events.Away = true; // Delivered, but it cannot be removed until the end.
            return 200;
        });
        _rig.Add(Rig.App, receiver.Url);
        await using (var before = await _rig.StartAsync())
        {
            await before.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
            await Waiting.Until(() => receiver.Accepted.Length == 1, "the first delivery");
        }
        Assert.Equal(1, _rig.Events.Count);
        _rig.Events.Away = false;
        await using var again = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, again.Url);
        await using var after = await _rig.StartAsync();
        await Waiting.Until(() => _rig.Events.Count == 0, "the repetition");
        Assert.Equal(["ann:1"], again.Accepted);
        Assert.Equal(receiver.Requests.Single().Id, again.Requests.Single().Id);
    }

    [Fact]
    public async Task A_dead_endpoint_of_one_app_does_not_touch_another_app()
    {
        var release = new TaskCompletionSource();
        await using var dead = await WebhookReceiver.StartAsync(async (_, _) => await release.Task);
        await using var healthy = await WebhookReceiver.StartAsync();
        _rig.Add("dead", dead.Url);
        _rig.Add("well", healthy.Url);
        await using var coordinator = await _rig.StartAsync();
        for (var i = 0; i < 40; i++)
            await coordinator.SubmitAsync(_rig.Message($"u{i}", i, app: "dead"), CancellationToken.None);
        await Waiting.Until(() => dead.NowInside == _rig.Options.InFlightPerApp, "the dead endpoint holds all it may hold");
        for (var i = 0; i < 40; i++)
            await coordinator.SubmitAsync(_rig.Message($"u{i}", i, app: "well"), CancellationToken.None);
        await Waiting.Until(() => healthy.Accepted.Length == 40, "the healthy app's events");
        Assert.Empty(dead.Answered);
        release.SetResult();
    }

    [Fact]
    public async Task In_flight_is_bounded_per_app_and_one_per_user()
    {
        var inside = new ConcurrentDictionary<string, int>();
        var broken = new ConcurrentQueue<string>();
        await using var receiver = await WebhookReceiver.StartAsync(async (request, _) =>
        {
            if (inside.AddOrUpdate(request.User, 1, (_, now) => now + 1) > 1)
                broken.Enqueue(request.Name);
            await Task.Yield();
            inside.AddOrUpdate(request.User, 0, (_, now) => now - 1);
        });
        _rig.Options.InFlightPerApp = 4;
        _rig.Add(Rig.App, receiver.Url);
        for (var i = 0; i < 400; i++)
            await Store(_rig.Message($"u{i % 20}", i));
        await using var coordinator = await _rig.StartAsync();
        await Waiting.Until(() => _rig.Events.Count == 0, "all events");
        Assert.Empty(broken);
        Assert.InRange(receiver.MostAtOnce, 1, 4);
        Assert.Equal(400, receiver.Accepted.Length);
        foreach (var user in receiver.Requests.GroupBy(request => request.User))
            Assert.Equal(20, user.Select(request => request.Name).Distinct().Count());
    }

    [Fact]
    public async Task A_user_stuck_with_a_long_backlog_larger_than_the_window_does_not_starve_others()
    {
        await using var receiver = await WebhookReceiver.StartAsync(request => request.User == "stuck" ? 500 : 200);
        _rig.Options.WindowBytesPerApp = 65_536;
        _rig.Add(Rig.App, receiver.Url);
        for (var i = 0; i < 2_000; i++)
            await Store(_rig.Message("stuck", i, new string('x', 200)));
        await Store(_rig.Message("free", 1));
        await using var coordinator = await _rig.StartAsync();
        await Waiting.Until(() => receiver.Accepted.Contains("free:1"), "the event behind the backlog");
    }

    [Fact]
    public async Task Events_whose_bodies_were_released_are_read_again_and_delivered_in_order()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Options.WindowBytesPerApp = 65_536;
        _rig.Options.InFlightPerApp = 2;
        _rig.Add(Rig.App, receiver.Url);
        for (var i = 0; i < 60; i++)
            await Store(_rig.Message($"u{i % 3}", i, new string('x', 20_000)));
        await using var coordinator = await _rig.StartAsync();
        await Waiting.Until(() => _rig.Events.Count == 0, "all events");
        foreach (var user in receiver.Requests.GroupBy(request => request.User))
        {
            var ids = user.Select(request => request.Json.GetProperty("data").GetProperty("messageId").GetInt64()).ToArray();
            Assert.Equal(ids.Order(), ids);
            Assert.Equal(20, ids.Length);
        }
    }

    [Fact]
    public async Task An_endpoint_that_fails_for_many_users_is_paused_and_probed_by_single_requests()
    {
        var down = true;
        await using var receiver = await WebhookReceiver.StartAsync(_ => Volatile.Read(ref down) ? 500 : 200);
        _rig.Options.InFlightPerApp = 2;
        _rig.Options.EndpointFailureUsers = 4;
        _rig.Add(Rig.App, receiver.Url);
        for (var i = 0; i < 100; i++)
            await Store(_rig.Message($"u{i}", i));
        await using var coordinator = await _rig.StartAsync();
        await Waiting.Until(() => receiver.Answered.Count >= 4, "the first failures");
        await Task.Yield();
        // With the clock standing still no more than the failing users and what was in flight beside them was tried.
        Assert.InRange(receiver.Requests.Count, 4, 6);
        await _rig.AdvanceUntil(() => receiver.Requests.Count >= 8, "probes");
        Volatile.Write(ref down, false);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "everything is delivered after the recovery");
        Assert.Equal(100, receiver.Accepted.Distinct().Count());
    }

    [Fact]
    public async Task Retry_after_is_honoured()
    {
        var clock = _rig.Clock;
        var start = clock.GetUtcNow();
        var attempts = new ConcurrentQueue<TimeSpan>();
        await using var receiver = await WebhookReceiver.StartAsync((_, context) =>
        {
            attempts.Enqueue(clock.GetUtcNow() - start);
            if (attempts.Count == 1)
            {
                context.Response.StatusCode = 429;
                context.Response.Headers.RetryAfter = "120";
            }
            return Task.CompletedTask;
        });
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => !receiver.Answered.IsEmpty, "the first attempt");
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "the second attempt");
        Assert.True(attempts.Last() >= TimeSpan.FromSeconds(120), $"repeated after {attempts.Last()}");
    }

    [Fact]
    public async Task Gone_pauses_the_url_for_long()
    {
        var start = _rig.Clock.GetUtcNow();
        await using var receiver = await WebhookReceiver.StartAsync(_ => _rig.Clock.GetUtcNow() - start < TimeSpan.FromMinutes(59) ? 410 : 200);
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => !receiver.Answered.IsEmpty, "the first attempt");
        await coordinator.SubmitAsync(_rig.Message("bob", 1), CancellationToken.None);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "delivery after the pause", stepSeconds: 30);
        Assert.Equal(1, receiver.Answered.Count(answer => answer.Status == 410));
        Assert.Equal(2, receiver.Accepted.Length);
    }

    [Fact]
    public async Task Events_older_than_the_limit_are_given_up_and_later_ones_go_on()
    {
        await using var receiver = await WebhookReceiver.StartAsync(request => request.Name == "ann:1" ? 500 : 200);
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => !receiver.Answered.IsEmpty, "the first attempt");
        _rig.Clock.Advance(TimeSpan.FromHours(71));
        await coordinator.SubmitAsync(_rig.Message("ann", 2), CancellationToken.None);
        Assert.DoesNotContain("ann:2", receiver.Accepted);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "the old event is given up", stepSeconds: 60);
        Assert.Equal(["ann:2"], receiver.Accepted);
    }

    [Fact]
    public async Task Redirects_are_failures_and_never_followed()
    {
        await using var trap = await WebhookReceiver.StartAsync();
        await using var receiver = await WebhookReceiver.StartAsync((_, context) =>
        {
            context.Response.Redirect(trap.Url + "/inside");
            context.Response.StatusCode = 307;
            return Task.CompletedTask;
        });
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await _rig.AdvanceUntil(() => receiver.Answered.Count >= 2, "two attempts");
        Assert.Empty(trap.Requests);
        Assert.Equal(1, _rig.Events.Count);
    }

    [Fact]
    public async Task A_receiver_that_does_not_answer_is_timed_out_and_tried_again()
    {
        var release = new TaskCompletionSource();
        var count = 0;
        await using var receiver = await WebhookReceiver.StartAsync(async (_, context) =>
        {
            if (Interlocked.Increment(ref count) == 1)
                await release.Task.WaitAsync(context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        _rig.Options.RequestTimeout = TimeSpan.FromSeconds(10);
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => receiver.NowInside == 1, "the first attempt");
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "the second attempt", stepSeconds: 0.5);
        Assert.True(receiver.Requests.Count >= 2);
        release.SetResult();
    }

    [Fact]
    public async Task A_store_that_goes_away_and_comes_back_loses_nothing()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => _rig.Events.Count == 0, "the first event");
        await Store(_rig.Message("ann", 2));
        _rig.Events.FirstFailure = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _rig.Events.Away = true;
        await coordinator.SubmitAsync(_rig.Message("ann", 3), CancellationToken.None);
        await Waiting.For(_rig.Events.FirstFailure.Task, "the store's failure is seen");
        _rig.Events.Away = false;
        await coordinator.SubmitAsync(_rig.Message("ann", 3), CancellationToken.None);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "the rest");
        Assert.Equal(["ann:1", "ann:2", "ann:3"], receiver.Accepted);
    }

    [Fact]
    public async Task After_an_error_of_its_own_the_delivery_starts_again_from_what_is_stored()
    {
        await using var receiver = await WebhookReceiver.StartAsync(request => request.Name == "bob:1" ? 500 : 200);
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("bob", 1), CancellationToken.None);
        await Waiting.Until(() => !receiver.Answered.IsEmpty, "one user waits for a repetition");
        _rig.Events.Surprise = new InvalidOperationException("not foreseen");
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await coordinator.SubmitAsync(_rig.Message("ann", 2), CancellationToken.None);
        await Waiting.Until(() => !_rig.Errors.IsEmpty, "the error is logged");
        await _rig.AdvanceUntil(() => _rig.Events.Count == 1, "the others' events");
        Assert.Equal(["ann:1", "ann:2"], receiver.Accepted);
        Assert.Contains("not foreseen", Assert.Single(_rig.Errors));
        _rig.Errors.Clear();
    }

    [Fact]
    public async Task Nothing_is_read_from_the_queue_while_there_is_nothing_to_do()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => _rig.Events.Count == 0, "the event");
        await coordinator.SubmitAsync(_rig.Message("ann", 2), CancellationToken.None);
        await Waiting.Until(() => _rig.Events.Count == 0, "the second event");
        var reads = _rig.Events.Reads;
        for (var i = 0; i < 100; i++)
            _rig.Clock.Advance(TimeSpan.FromMinutes(10));
        await Task.Yield();
        Assert.InRange(_rig.Events.Reads, reads, reads + 1);
    }

    [Fact]
    public async Task Events_of_an_app_that_lost_its_webhook_wait_until_it_has_one_again()
    {
        await using var receiver = await WebhookReceiver.StartAsync(_ => 500);
        await using var other = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => !receiver.Answered.IsEmpty, "the first attempt");
        _rig.Apps.Set(_rig.Apps.Find(Rig.App)! with { Webhook = null });
        _rig.Clock.Advance(TimeSpan.FromMinutes(1));
        _rig.Add(Rig.App, other.Url);
        await _rig.AdvanceUntil(() => _rig.Events.Count == 0, "delivery to the new URL");
        Assert.Equal(["ann:1"], other.Accepted);
    }

    [Fact]
    public async Task Disposing_waits_for_requests_in_flight_and_removes_what_they_delivered()
    {
        var release = new TaskCompletionSource();
        await using var receiver = await WebhookReceiver.StartAsync(async (_, _) => await release.Task);
        _rig.Add(Rig.App, receiver.Url);
        var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => receiver.NowInside == 1, "the request");
        var disposed = coordinator.DisposeAsync().AsTask();
        Assert.False(disposed.IsCompleted);
        release.SetResult();
        await Waiting.For(disposed, "the end");
        Assert.Equal(0, _rig.Events.Count);
    }

    [Fact]
    public async Task Disposing_cuts_requests_that_do_not_end_and_keeps_their_events()
    {
        var release = new TaskCompletionSource();
        await using var receiver = await WebhookReceiver.StartAsync(async (_, context) =>
            await release.Task.WaitAsync(context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing));
        _rig.Add(Rig.App, receiver.Url);
        var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => receiver.NowInside == 1, "the request");
        var disposed = coordinator.DisposeAsync().AsTask();
        await _rig.AdvanceUntil(() => disposed.IsCompleted, "the end");
        Assert.Equal(1, _rig.Events.Count);
        release.SetResult();
    }

    /// <summary>Puts an event into the queue as an earlier process would have left it.</summary>
    private async Task Store(UpstreamMessage message) => await _rig.Events.AppendAsync(
        [new EventDraft(message.Key, "upstream:" + message.Type, "", message.ReceivedAt, EventBody.Upstream(message))], CancellationToken.None);
}
