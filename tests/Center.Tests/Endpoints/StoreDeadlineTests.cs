using PushSystem.Center.Stores;
using PushSystem.Contracts;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

/// <summary>A store that does not answer keeps nobody waiting, and the caller learns that the outcome is unknown.</summary>
public sealed class StoreDeadlineTests
{
    [Fact]
    public async Task An_append_that_takes_too_long_is_answered_as_unknown_and_its_repetition_finds_it()
    {
        await using var host = await CenterHost.StartAsync();
        var gate = new TaskCompletionSource();
        host.Mailboxes.BeforeAppend = () => gate.Task;
        var sending = host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""", idempotencyKey: "k");
        await Waiting.Until(() =>
        {
            host.Clock.Advance(TimeSpan.FromMilliseconds(500));
            return sending.IsCompleted;
        }, "the deadline");
        var answer = (await sending).ExpectProblem(503, "store-unavailable");
        Assert.NotNull(answer.Headers.RetryAfter);
        gate.SetResult();
        await Waiting.Until(() => host.Mailboxes.Total == 1, "the append ends by itself");
        Assert.True((await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""", idempotencyKey: "k")).Expect(202).IsReplayed);
        Assert.Equal(1, host.Mailboxes.Total);
    }

    [Fact]
    public async Task A_kick_that_takes_too_long_is_answered_as_unknown()
    {
        await using var host = await CenterHost.StartAsync();
        host.Coordinator.Gate = new TaskCompletionSource().Task;
        var sending = host.SendAsync("POST", "/v1/users/a/kick");
        await Waiting.Until(() =>
        {
            host.Clock.Advance(TimeSpan.FromMilliseconds(500));
            return sending.IsCompleted;
        }, "the deadline");
        (await sending).ExpectProblem(503, "store-unavailable");
    }

    [Fact]
    public async Task A_call_that_answers_in_time_is_not_touched_and_its_failure_passes()
    {
        var clock = new FakeClock();
        var deadline = new StoreDeadline(new CenterOptions(), clock);
        var answer = new TaskCompletionSource<int>();
        var bound = deadline.Bound(new ValueTask<int>(answer.Task)).AsTask();
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(bound.IsCompleted);
        answer.SetResult(7);
        Assert.Equal(7, await bound);
        await Assert.ThrowsAsync<IOException>(async () => await deadline.Bound(ValueTask.FromException<int>(new IOException("own"))));
        // A time limit of the call's own is no answer of the deadline's.
        var late = new TaskCompletionSource<int>();
        bound = deadline.Bound(new ValueTask<int>(late.Task)).AsTask();
        clock.Advance(TimeSpan.FromSeconds(5));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => bound);
    }

    [Fact]
    public async Task A_user_in_a_room_that_is_not_known_yet_is_online()
    {
        await using var host = await CenterHost.StartAsync();
        host.Rooms.Revision = 5;
        host.Registry.Bind("a", "room-2", 6);
        host.Registry.Bind("b", "room-2", 5);
        Assert.True((bool)(await host.SendAsync("GET", "/v1/users/a")).Expect(200).Json["online"]!);
        Assert.False((bool)(await host.SendAsync("GET", "/v1/users/b")).Expect(200).Json["online"]!);
    }
}
