using PushSystem.Client.Routing;
using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class ReconnectTests
{
    private static readonly TimeSpan Base = TimeSpan.FromSeconds(1), Cap = TimeSpan.FromSeconds(120), Reset = TimeSpan.FromSeconds(10);

    [Fact]
    public void Every_wait_lies_between_base_and_three_times_the_last_one_and_under_the_cap()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var backOff = new BackOff(Base, Cap, Reset, new Jitter(seed));
            var last = Base;
            var longest = TimeSpan.Zero;
            for (var i = 0; i < 50; i++)
            {
                var wait = backOff.Next(TimeSpan.FromSeconds(i % 10));
                Assert.InRange(wait, Base, last * 3 < Cap ? last * 3 : Cap);
                last = wait;
                longest = wait > longest ? wait : longest;
            }
            Assert.True(longest > TimeSpan.FromSeconds(20), $"seed {seed} never waited long: {longest}");
        }
    }

    [Fact]
    public void A_connection_that_lived_long_is_retried_within_half_a_second_and_resets_the_ladder()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var backOff = new BackOff(Base, Cap, Reset, new Jitter(seed));
            for (var i = 0; i < 10; i++)
                backOff.Next(TimeSpan.Zero);
            Assert.InRange(backOff.Next(Reset), TimeSpan.Zero, BackOff.FirstRetry);
            Assert.InRange(backOff.Next(TimeSpan.Zero), Base, Base * 3);
        }
    }

    [Fact]
    public void Two_seeds_wait_differently_and_one_seed_always_the_same()
    {
        Assert.Equal(Waits(1), Waits(1));
        Assert.NotEqual(Waits(1), Waits(2));

        static List<TimeSpan> Waits(int seed)
        {
            var backOff = new BackOff(Base, Cap, Reset, new Jitter(seed));
            return [.. Enumerable.Range(0, 10).Select(_ => backOff.Next(TimeSpan.Zero))];
        }
    }

    [Fact]
    public void Values_out_of_reason_from_the_dispatcher_are_brought_inside()
    {
        var backOff = new BackOff(Base, Cap, Reset, new Jitter(1));
        backOff.Configure(TimeSpan.FromSeconds(-5), TimeSpan.FromDays(9), TimeSpan.Zero);
        Assert.Equal(TimeSpan.FromSeconds(1), backOff.ResetAfter);
        for (var i = 0; i < 100; i++)
            Assert.InRange(backOff.Next(TimeSpan.Zero), TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task A_short_connection_backs_off_and_a_long_one_is_retried_at_once()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        harness.Clock.Advance(TimeSpan.FromSeconds(9));
        room.Close();
        Assert.InRange((await harness.PassBackOffAsync()).RetryIn!.Value, Base, Base * 3);
        var next = await harness.Room.AcceptAsync();
        await next.ReadResumeAsync();
        await next.SendAsync(new ResumeOkMessage(ReasonCode.Ok, FakeConnection.DefaultSettings).Write);
        await harness.States.NextAsync(s => s.State == ClientState.Online);
        harness.Clock.Advance(TimeSpan.FromSeconds(10));
        next.Close();
        Assert.InRange((await harness.PassBackOffAsync()).RetryIn!.Value, TimeSpan.Zero, BackOff.FirstRetry);
    }

    [Fact]
    public async Task An_unreachable_room_is_tried_at_growing_intervals_and_every_address_in_each_round()
    {
        var gone = new FakeRoom();
        gone.Close();
        await using var harness = new Harness(o => o.Addresses = [gone.Address, "localhost:1"]);
        await harness.StartAsync();
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 8; i++)
        {
            var state = await harness.PassBackOffAsync();
            Assert.Contains("could not be reached", state.Detail, StringComparison.Ordinal);
            waits.Add(state.RetryIn!.Value);
        }
        Assert.All(waits, w => Assert.InRange(w, Base, Cap));
        Assert.True(waits.Max() > TimeSpan.FromSeconds(6), $"the waits did not grow: {string.Join(", ", waits)}");
        await gone.DisposeAsync();
    }

    [Fact]
    public async Task Retry_now_ends_the_wait()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        room.Close();
        await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        harness.Client.RetryNow();
        await harness.Room.AcceptAsync();
    }

    [Fact]
    public async Task An_address_that_failed_comes_last_in_the_next_round()
    {
        await using var second = new FakeRoom();
        await using var first = new FakeRoom();
        await using var harness = new Harness(o => o.Addresses = [first.Address, second.Address]);
        await harness.StartAsync();
        // The first drops the login, the second answers; when that ends without a ticket to resume, the second comes first.
        (await first.AcceptAsync()).Close();
        var room = await second.AcceptAsync();
        await room.LoginAsync(FakeConnection.DefaultSettings with { ResumeTicket = default });
        await Waiting.For(harness.Alice.WaitBoundAsync(), "bound");
        room.Close();
        await harness.PassBackOffAsync();
        await (await second.AcceptAsync()).LoginAsync();
        Assert.False(first.IsAsked);
    }

    [Theory]
    [InlineData(ReasonCode.Kicked)]
    [InlineData(ReasonCode.Replaced)]
    public async Task Goaway_with_advice_stay_stops_the_client_until_it_is_started_again(ReasonCode reason)
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "hello");
        await room.ReadAsync(Opcode.Send);
        await room.SendAsync(new GoAwayMessage(reason, null, ReconnectAdvice.Stay, 0, []).Write);
        var stopped = await harness.States.NextAsync(s => s.State == ClientState.Stopped, "stopped");
        Assert.Equal(reason, stopped.Reason);
        Assert.Equal(reason, (await Assert.ThrowsAsync<PushSendException>(() => Waiting.For(send, "the send"))).Reason);
        await Assert.ThrowsAsync<InvalidOperationException>(() => harness.Client.SendAsync("demo", "alice", "chat", "more"));
        Assert.False(harness.Room.IsAsked);

        await Waiting.Until(() => harness.Client.StopAsync().IsCompleted, "the run has ended");
        await harness.Client.StartAsync();
        await harness.AcceptOnlineAsync();
    }

    [Fact]
    public async Task Goaway_with_a_window_and_addresses_leads_there_within_the_window()
    {
        await using var elsewhere = new FakeRoom();
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        harness.Clock.Advance(TimeSpan.FromMinutes(1));
        await room.SendAsync(new GoAwayMessage(ReasonCode.Draining, null, ReconnectAdvice.Window, 30_000, [elsewhere.Address]).Write);
        var state = await harness.PassBackOffAsync();
        Assert.Equal(ReasonCode.Draining, state.Reason);
        Assert.InRange(state.RetryIn!.Value, BackOff.FirstRetry, TimeSpan.FromSeconds(30));
        await (await elsewhere.AcceptAsync()).LoginAsync();
        Assert.False(harness.Room.IsAsked);
    }

    [Fact]
    public async Task Goaway_of_one_binding_with_advice_stay_ends_only_that_one()
    {
        await using var harness = new Harness();
        var bob = harness.Client.Bind("demo", "bob", Harness.TicketText);
        var room = await harness.StartOnlineAsync();
        await room.SendAsync(new GoAwayMessage(ReasonCode.Replaced, 0, ReconnectAdvice.Stay, 0, []).Write, o => FakeConnection.Push(o, 1, "still here", 1));
        var change = await harness.Bindings.NextAsync(b => b.State == BindingState.Failed);
        Assert.Equal((bob, ReasonCode.Replaced), (change.Binding, change.Reason));
        Assert.Equal(["still here"], await harness.TextsAsync(1));
        Assert.Equal(ClientState.Online, harness.Client.State);
        await Assert.ThrowsAsync<PushBindException>(() => bob.WaitBoundAsync());

        // The application may bind it again.
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        Assert.Equal("bob", BindMessage.Read(await room.ReadAsync(Opcode.Bind)).Binding.User);
    }

    [Fact]
    public async Task Goaway_of_the_last_binding_ends_the_connection()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.SendAsync(new GoAwayMessage(ReasonCode.Kicked, 0, ReconnectAdvice.Stay, 0, []).Write);
        await room.ClosedAsync("no binding is left");
        await harness.States.NextAsync(s => s.State == ClientState.Idle);
        Assert.Equal(BindingState.Failed, harness.Alice.State);
    }

    [Fact]
    public async Task Goaway_of_one_binding_with_a_window_binds_it_again_within_the_window()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        await room.SendAsync(new GoAwayMessage(ReasonCode.BindUnavailable, 0, ReconnectAdvice.Window, 8_000, []).Write);
        await harness.Bindings.NextAsync(b => b.State == BindingState.Waiting);
        harness.Clock.Advance(TimeSpan.FromSeconds(8));
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        Assert.Equal(new StreamPosition(1, 1), bind.Binding.Mailbox);
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(1, new StreamPosition(1, 1))).Write);
        await room.PushAsync(2, index: 1);
        Assert.Equal(["Mailbox 2"], await harness.TextsAsync(1));
    }

    [Theory]
    [InlineData(ReasonCode.AccessDenied, ReconnectAdvice.Stay)]
    [InlineData(ReasonCode.Busy, ReconnectAdvice.Window)]
    [InlineData(ReasonCode.AckTimeout, ReconnectAdvice.BackOff)]
    [InlineData(ReasonCode.InternalError, (ReconnectAdvice)77)]
    public async Task The_advice_of_an_error_is_followed_online_and_during_the_login(ReasonCode code, ReconnectAdvice advice)
    {
        foreach (var duringLogin in new[] { true, false })
        {
            await using var harness = new Harness();
            await harness.StartAsync();
            var room = await harness.Room.AcceptAsync();
            if (duringLogin)
            {
                await room.ReadLoginAsync();
            }
            else
            {
                await room.LoginAsync();
                await harness.States.NextAsync(s => s.State == ClientState.Online);
                harness.Clock.Advance(TimeSpan.FromMinutes(1));
            }
            await room.SendAsync(new ErrorMessage(code, advice, 20_000, "because").Write);
            if (advice == ReconnectAdvice.Stay)
            {
                Assert.Equal(code, (await harness.States.NextAsync(s => s.State == ClientState.Stopped)).Reason);
                continue;
            }
            var state = await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
            Assert.Equal((code, "because"), (state.Reason, state.Detail));
            var (low, high) = advice == ReconnectAdvice.Window ? (TimeSpan.Zero, TimeSpan.FromSeconds(20))
                : duringLogin ? (Base, Base * 3) : (TimeSpan.Zero, BackOff.FirstRetry);
            Assert.InRange(state.RetryIn!.Value, low, high);
        }
    }
}
