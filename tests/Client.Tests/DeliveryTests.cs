using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using WirePush = PushSystem.Protocol.PushMessage;

namespace PushSystem.Client.Tests;

public sealed class DeliveryTests
{
    [Fact]
    public async Task Messages_of_both_streams_come_in_order_with_all_their_fields()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.SendAsync(
            o => FakeConnection.Push(o, 1, "one"),
            o => FakeConnection.Push(o, 1, "to all", stream: StreamKind.Broadcast),
            o => new WirePush { AppIndex = 0, Seq = 2, Kind = PayloadKind.Json, ExpiresAt = 1_900_000_000, Payload = "{}"u8 }.Write(o));

        var first = await harness.Messages.NextAsync();
        var second = await harness.Messages.NextAsync();
        var third = await harness.Messages.NextAsync();
        Assert.Equal(("demo", "alice", "one", "m1-1"), (first.App, first.User, first.Text, first.Id));
        Assert.Equal((StreamKind.Broadcast, "to all", "b1-1"), (second.Stream, second.Text, second.Id));
        Assert.Equal((PayloadKind.Json, 2L, 1u, "{}"), (third.Kind, third.Seq, third.Epoch, third.Text));
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000), third.ExpiresAt);
        Assert.Null(first.ExpiresAt);
    }

    [Fact]
    public async Task A_message_that_comes_again_is_not_shown_but_acknowledged_again()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        await room.PushAsync(1);
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        await room.PushAsync(1);
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        await room.PushAsync(2);
        Assert.Equal(2, (await room.ReadAckAsync()).Seq);
        Assert.Equal(["Mailbox 1", "Mailbox 2"], harness.Messages.All.Select(m => m.Text));
    }

    [Fact]
    public async Task A_gap_without_reset_ends_the_connection_and_the_next_login_tells_the_last_processed_message()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await room.PushAsync(3);
        await room.ClosedAsync("gap");
        Assert.Equal(ClientErrorKind.Protocol, (await harness.Errors.NextAsync()).Kind);
        await harness.PassBackOffAsync();

        var next = await harness.Room.AcceptAsync();
        var login = await next.LoginAsync();
        Assert.Equal(new StreamPosition(1, 1), login.Bindings[0].Mailbox);
        await next.PushAsync(2);
        await next.PushAsync(3);
        Assert.Equal(["Mailbox 1", "Mailbox 2", "Mailbox 3"], await harness.TextsAsync(3));
    }

    [Fact]
    public async Task A_gap_in_one_stream_is_not_filled_by_the_other()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await room.PushAsync(2, stream: StreamKind.Broadcast);
        await room.ClosedAsync("gap in the broadcast stream");
        Assert.Single(harness.Messages.All);
    }

    [Fact]
    public async Task Reset_in_the_same_epoch_tells_the_gap_before_what_comes_behind_it()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var order = new List<string>();
        harness.Client.StreamReset += r => order.Add("reset");
        harness.Handler = message =>
        {
            order.Add(message.Text);
            return ValueTask.CompletedTask;
        };
        await room.PushAsync(1);
        await room.ResetAsync(1, 5, ResetReason.Overflow);
        await room.PushAsync(5);
        await harness.TextsAsync(2);

        Assert.Equal(["Mailbox 1", "reset", "Mailbox 5"], order);
        var reset = Assert.Single(harness.Resets.All);
        Assert.Equal((new StreamPosition(1, 1), new StreamPosition(1, 4), ResetReason.Overflow, StreamKind.Mailbox),
            (reset.From, reset.To, reset.Reason, reset.Stream));
    }

    [Fact]
    public async Task After_a_reset_to_a_new_epoch_lower_numbers_are_new_and_acks_carry_the_new_tag()
    {
        await using var harness = new Harness();
        var settings = FakeConnection.DefaultSettings with { AckCount = 1 };
        var room = await harness.StartOnlineAsync(settings, FakeConnection.Bound(0, new StreamPosition(5, 99)));
        await room.PushAsync(100);
        Assert.Equal((AckMessage.TagOf(5), 100L), Tagged(await room.ReadAckAsync()));
        await room.ResetAsync(130, 1, ResetReason.DataLoss);
        await room.PushAsync(1);
        Assert.Equal((AckMessage.TagOf(130), 1L), Tagged(await room.ReadAckAsync()));
        Assert.Equal("m130-1", harness.Messages.All[1].Id);
        Assert.Equal(ResetReason.DataLoss, Assert.Single(harness.Resets.All).Reason);

        static (byte, long) Tagged(AckMessage ack) => (ack.EpochTag, ack.Seq);
    }

    [Fact]
    public async Task Reset_that_skips_nothing_is_no_event()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await room.ResetAsync(1, 2, ResetReason.Expired);
        await room.PushAsync(2);
        await room.ResetAsync(1, 1, ResetReason.Expired);
        await room.PushAsync(1);
        await room.PushAsync(3);
        Assert.Equal(["Mailbox 1", "Mailbox 2", "Mailbox 3"], await harness.TextsAsync(3));
        Assert.Empty(harness.Resets.All);
    }

    [Fact]
    public async Task The_first_bind_takes_the_servers_positions_and_tells_no_gap()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(null, FakeConnection.Bound(0, new StreamPosition(3, 40), new StreamPosition(8, 7)));
        await room.PushAsync(41);
        await room.PushAsync(8, stream: StreamKind.Broadcast);
        Assert.Equal(["Mailbox 41", "Broadcast 8"], await harness.TextsAsync(2));
        Assert.Empty(harness.Resets.All);
    }

    [Fact]
    public async Task A_bind_that_goes_on_further_ahead_waits_for_its_reset()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        room.Close();
        await harness.PassBackOffAsync();

        var next = await harness.Room.AcceptAsync();
        await RefuseResumeAsync(next);
        await next.SendAsync(new LoginOkMessage(FakeConnection.DefaultSettings, [FakeConnection.Bound(0, new StreamPosition(2, 10))]).Write);
        await next.ResetAsync(2, 11, ResetReason.DataLoss);
        await next.PushAsync(11);
        Assert.Equal(["Mailbox 11"], await harness.TextsAsync(1));
        var reset = Assert.Single(harness.Resets.All);
        Assert.Equal((new StreamPosition(1, 1), new StreamPosition(2, 10), ResetReason.DataLoss), (reset.From, reset.To, reset.Reason));
    }

    [Fact]
    public async Task A_bind_that_goes_on_further_ahead_without_reset_is_told_as_a_gap_without_reason()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        room.Close();
        await harness.PassBackOffAsync();

        var next = await harness.Room.AcceptAsync();
        await RefuseResumeAsync(next);
        await next.SendAsync(new LoginOkMessage(FakeConnection.DefaultSettings, [FakeConnection.Bound(0, new StreamPosition(1, 10))]).Write);
        await next.PushAsync(1);
        await next.PushAsync(11);
        Assert.Equal(["Mailbox 11"], await harness.TextsAsync(1));
        Assert.Equal((ResetReason.None, new StreamPosition(1, 10)), (harness.Resets.All[0].Reason, harness.Resets.All[0].To));
    }

    [Fact]
    public async Task Transient_messages_are_shown_but_not_acknowledged()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        await room.SendAsync(o => new WirePush { AppIndex = 0, Transient = true, Kind = PayloadKind.Text, Payload = "typing"u8 }.Write(o));
        await room.PushAsync(1);
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        var transient = harness.Messages.All[0];
        Assert.Equal(("typing", true, ""), (transient.Text, transient.IsTransient, transient.Id));
        Assert.Equal(0, room.Unread);
    }

    [Fact]
    public async Task A_fetched_message_is_dropped_because_nothing_was_fetched()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        await room.SendAsync(o => new WirePush { AppIndex = 0, Seq = 7, Fetched = true, Payload = "x"u8 }.Write(o), o => FakeConnection.Push(o, 1, ""));
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        Assert.Single(harness.Messages.All);
    }

    [Fact]
    public async Task A_push_for_an_index_that_was_never_given_ends_the_connection()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1, index: 9);
        await room.ClosedAsync("unknown index");
        Assert.Contains("app index 9", (await harness.Errors.NextAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_message_whose_handler_fails_comes_again_after_a_wait_and_none_overtakes_it()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var failures = 1;
        harness.Handler = message => message.Seq == 2 && failures-- > 0
            ? throw new InvalidOperationException("broken")
            : ValueTask.CompletedTask;
        await room.SendAsync(o => FakeConnection.Push(o, 1, ""), o => FakeConnection.Push(o, 2, ""), o => FakeConnection.Push(o, 3, ""));

        Assert.Equal((byte)ClientErrorKind.Handler, (byte)(await harness.Errors.NextAsync()).Kind);
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        Assert.Equal(0, UnbindMessage.Read(await room.ReadAsync(Opcode.Unbind)).AppIndex);
        await room.SendAsync(o => new UnbindMessage(0).Write(o, Opcode.UnbindOk));
        var wait = await harness.Clock.ArmedAsync(d => d >= TimeSpan.FromSeconds(1) && d <= TimeSpan.FromSeconds(3), "the wait before the next BIND");
        Assert.Equal(0, room.Unread);
        harness.Clock.Advance(wait);

        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        Assert.Equal(new StreamPosition(1, 1), bind.Binding.Mailbox);
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(1, new StreamPosition(1, 1))).Write);
        await room.PushAsync(2, index: 1);
        await room.PushAsync(3, index: 1);
        Assert.Equal(["Mailbox 1", "Mailbox 2", "Mailbox 2", "Mailbox 3"], await harness.TextsAsync(4));
        Assert.Equal(ClientState.Online, harness.Client.State);
    }

    [Fact]
    public async Task A_message_that_fails_again_waits_longer_and_another_one_starts_anew()
    {
        await using var harness = new Harness(o => (o.BackoffCap, o.LoginTimeout) = (TimeSpan.FromMinutes(10), TimeSpan.FromHours(20)));
        // Neither a heartbeat nor the wait for UNBIND_OK ends inside the waits.
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { HeartbeatDefaultSeconds = 80_000, HeartbeatMaxSeconds = 80_000 });
        harness.Handler = _ => throw new InvalidOperationException("broken");
        var index = 0;
        var longest = TimeSpan.Zero;
        for (var round = 0; round < 6; round++)
        {
            await room.PushAsync(1, index: index);
            await room.ReadAsync(Opcode.Unbind);
            var wait = await harness.Clock.ArmedAsync(d => d >= TimeSpan.FromSeconds(1) && d < TimeSpan.FromHours(1), "the wait");
            longest = wait > longest ? wait : longest;
            await room.SendAsync(o => new UnbindMessage(index).Write(o, Opcode.UnbindOk));
            harness.Clock.Advance(wait);
            var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
            await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(++index, new StreamPosition(1, 0))).Write);
        }
        Assert.True(longest > TimeSpan.FromSeconds(3), $"the longest wait was {longest}");
        await room.ResetAsync(1, 2, ResetReason.Poison, index);
        await room.PushAsync(2, index: index);
        await room.ReadAsync(Opcode.Unbind);
        await harness.Clock.ArmedAsync(d => d >= TimeSpan.FromSeconds(1) && d <= TimeSpan.FromSeconds(3), "the wait of another message");
        Assert.Equal(ResetReason.Poison, Assert.Single(harness.Resets.All).Reason);
    }

    [Fact]
    public async Task A_handler_that_fails_on_a_transient_message_disturbs_nothing()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        harness.Handler = message => message.IsTransient ? throw new InvalidOperationException("broken") : ValueTask.CompletedTask;
        await room.SendAsync(o => new WirePush { AppIndex = 0, Transient = true, Payload = "x"u8 }.Write(o), o => FakeConnection.Push(o, 1, ""));
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        Assert.Equal(ClientErrorKind.Handler, Assert.Single(harness.Errors.All).Kind);
    }

    [Fact]
    public async Task A_message_handled_while_the_connection_was_replaced_is_not_shown_twice()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1, ResumeSeconds = 0 });
        var gate = new TaskCompletionSource();
        harness.Handler = async message => await gate.Task;
        await room.SendAsync(o => FakeConnection.Push(o, 1, ""), o => FakeConnection.Push(o, 2, ""));
        await harness.TextsAsync(1);
        room.Close();
        await harness.PassBackOffAsync();
        var next = await harness.Room.AcceptAsync();
        Assert.Equal(new StreamPosition(1, 0), (await next.LoginAsync(FakeConnection.DefaultSettings with { AckCount = 1 })).Bindings[0].Mailbox);
        await next.PushAsync(1);
        gate.SetResult();
        // The copy of message 1 is dropped and acknowledged; message 2 of the dead connection was dropped and comes again.
        Assert.Equal(1, (await next.ReadAckAsync()).Seq);
        await next.PushAsync(2);
        Assert.Equal(2, (await next.ReadAckAsync()).Seq);
        Assert.Equal(["Mailbox 1", "Mailbox 2"], harness.Messages.All.Select(m => m.Text));
    }

    [Fact]
    public async Task Behind_a_lost_connection_transient_messages_are_still_shown_and_stored_ones_wait_to_come_again()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        await room.SendAsync(
            o => FakeConnection.Push(o, 1, ""),
            o => FakeConnection.Push(o, 2, ""),
            o => new WirePush { AppIndex = 0, Transient = true, Kind = PayloadKind.Text, Payload = "typing"u8 }.Write(o));
        await harness.TextsAsync(1);
        room.Close();
        await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        gate.SetResult();
        Assert.Equal(["typing"], await harness.TextsAsync(1));
        harness.Client.RetryNow();
        Assert.Equal(1, Assert.Single((await (await harness.Room.AcceptAsync()).ReadResumeAsync()).Positions).Mailbox.Seq);
    }

    [Fact]
    public async Task A_slow_handler_stops_the_reading_and_memory_stays_bounded()
    {
        const int limit = 64 * 1024, count = 400, size = 10_000;
        await using var harness = new Harness(o => o.ReceiveQueueBytes = limit);
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = count });
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        var text = new string('x', size);
        var sending = Task.Run(async () =>
        {
            for (var seq = 1; seq <= count; seq++)
                await room.PushAsync(seq, text);
        });
        await harness.TextsAsync(1);
        var queue = harness.Client.Context.Queue;
        await Waiting.Until(() => queue.Bytes > limit - size - 1000, "the queue fills");
        gate.SetResult();
        await Waiting.For(sending, "everything is sent");
        Assert.Equal(count, (await room.ReadAckAsync()).Seq);
        Assert.InRange(queue.PeakBytes, size, limit);
        Assert.Equal(count, harness.Messages.All.Count);
    }

    [Fact]
    public async Task A_message_larger_than_the_queue_passes_alone()
    {
        await using var harness = new Harness(o => o.ReceiveQueueBytes = 4096);
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 3 });
        await room.PushAsync(1);
        await room.PushAsync(2, new string('y', 900_000));
        await room.PushAsync(3);
        Assert.Equal(3, (await room.ReadAckAsync()).Seq);
        Assert.Equal(900_000, harness.Messages.All[1].Payload.Length);
    }

    private static async Task RefuseResumeAsync(FakeConnection connection)
    {
        await connection.ReadResumeAsync();
        await connection.SendAsync(new ResumeOkMessage(ReasonCode.ResumeUnknown, null).Write);
        await connection.ReadAsync(Opcode.Login);
    }
}
