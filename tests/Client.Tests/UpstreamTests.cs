using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class UpstreamTests
{
    [Fact]
    public async Task A_message_ends_with_the_servers_answer()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(null, FakeConnection.Bound(6));
        var send = harness.Client.SendAsync("demo", "alice", "chat", "hello");
        var (index, id, type, kind, text) = Read(await room.ReadAsync(Opcode.Send));
        Assert.Equal((6, "chat", PayloadKind.Text, "hello"), (index, type, kind, text));
        Assert.False(send.IsCompleted);
        await room.SendAsync(new SendOkMessage(6, id, ReasonCode.Ok, 0).Write);
        Assert.Equal(id, await Waiting.For(send, "the answer"));
        Assert.Equal(0, harness.Client.Context.Outbox.Bytes);
    }

    [Fact]
    public async Task Messages_sent_while_away_leave_in_order_at_the_login_and_again_with_the_same_ids_until_answered()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var sends = Enumerable.Range(0, 3).Select(i => harness.Client.SendAsync("demo", "alice", "chat", $"m{i}")).ToList();
        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync();
        var first = await ReadManyAsync(room, 3);
        Assert.Equal(["m0", "m1", "m2"], first.Select(m => m.Text));
        Assert.True(first[0].Id < first[1].Id && first[1].Id < first[2].Id);
        await room.SendAsync(new SendOkMessage(0, first[1].Id, ReasonCode.Ok, 0).Write);
        await Waiting.For(sends[1], "the answer to the second");
        room.Close();
        await harness.PassBackOffAsync();

        var next = await harness.Room.AcceptAsync();
        await next.ReadResumeAsync();
        await next.SendAsync(new ResumeOkMessage(ReasonCode.Ok, FakeConnection.DefaultSettings).Write);
        var again = await ReadManyAsync(next, 2);
        Assert.Equal([first[0].Id, first[2].Id], again.Select(m => m.Id));
        foreach (var message in again)
            await next.SendAsync(new SendOkMessage(0, message.Id, ReasonCode.Ok, 0).Write);
        Assert.Equal([first[0].Id, first[1].Id, first[2].Id], await Waiting.For(Task.WhenAll(sends), "all answers"));
    }

    [Fact]
    public async Task A_refused_message_fails_with_the_reason()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "hello");
        var id = Read(await room.ReadAsync(Opcode.Send)).Id;
        await room.SendAsync(new SendOkMessage(0, id, ReasonCode.NoReceiver, 0).Write);
        Assert.Equal(ReasonCode.NoReceiver, (await Assert.ThrowsAsync<PushSendException>(() => Waiting.For(send, "the refusal"))).Reason);
    }

    [Fact]
    public async Task A_message_refused_for_now_is_sent_again_after_the_servers_wait()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "hello");
        var id = Read(await room.ReadAsync(Opcode.Send)).Id;
        await room.SendAsync(new SendOkMessage(0, id, ReasonCode.NotStored, 1_234).Write);
        await harness.Clock.ArmedAsync(TimeSpan.FromMilliseconds(1_234), "the server's wait");
        Assert.Equal(0, room.Unread);
        harness.Clock.Advance(TimeSpan.FromMilliseconds(1_234));
        Assert.Equal(id, Read(await room.ReadAsync(Opcode.Send)).Id);
        await room.SendAsync(new SendOkMessage(0, id, ReasonCode.Ok, 0).Write);
        Assert.Equal(id, await Waiting.For(send, "the answer"));
    }

    [Fact]
    public async Task A_message_whose_binding_had_ended_at_the_server_goes_out_with_the_next_one()
    {
        await using var harness = new Harness();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        var room = await harness.StartOnlineAsync();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "hello");
        var id = Read(await room.ReadAsync(Opcode.Send)).Id;
        await room.SendAsync(
            new GoAwayMessage(ReasonCode.BindUnavailable, 1, ReconnectAdvice.Window, 3_000, []).Write,
            new SendOkMessage(1, id, ReasonCode.UnknownTarget, 0).Write);
        await harness.Bindings.NextAsync(b => b.Binding.User == "alice" && b.State == BindingState.Waiting);
        harness.Clock.Advance(TimeSpan.FromSeconds(3));
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(2)).Write);
        var again = Read(await room.ReadAsync(Opcode.Send));
        Assert.Equal((2, id), (again.Index, again.Id));
        await room.SendAsync(new SendOkMessage(2, id, ReasonCode.Ok, 0).Write);
        Assert.Equal(id, await Waiting.For(send, "the answer"));
    }

    [Fact]
    public async Task Beyond_the_limit_a_message_is_refused_and_room_comes_back_with_answers()
    {
        await using var harness = new Harness(o => o.SendQueueBytes = 4096);
        await harness.StartAsync();
        var payload = new byte[1700];
        var first = harness.Client.SendAsync("demo", "alice", "chat", PayloadKind.Binary, payload);
        var second = harness.Client.SendAsync("demo", "alice", "chat", PayloadKind.Binary, payload);
        var refused = await Assert.ThrowsAsync<PushSendException>(() => harness.Client.SendAsync("demo", "alice", "chat", PayloadKind.Binary, payload));
        Assert.Equal(ReasonCode.QueueFull, refused.Reason);
        Assert.Contains("4096", refused.Message, StringComparison.Ordinal);

        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync();
        foreach (var message in await ReadManyAsync(room, 2))
            await room.SendAsync(new SendOkMessage(0, message.Id, ReasonCode.Ok, 0).Write);
        await Waiting.For(Task.WhenAll(first, second), "the answers");
        var third = harness.Client.SendAsync("demo", "alice", "chat", PayloadKind.Binary, payload);
        var id = Read(await room.ReadAsync(Opcode.Send)).Id;
        await room.SendAsync(new SendOkMessage(0, id, ReasonCode.Ok, 0).Write);
        await Waiting.For(third, "the third");
    }

    [Fact]
    public async Task A_message_over_the_servers_frame_limit_is_refused_without_being_sent()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { FrameLimit = 500 });
        var refused = await Assert.ThrowsAsync<PushSendException>(
            () => harness.Client.SendAsync("demo", "alice", "chat", PayloadKind.Binary, new byte[500]));
        Assert.Equal(ReasonCode.PayloadTooLarge, refused.Reason);
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(0, harness.Client.Context.Outbox.Bytes);
    }

    [Fact]
    public async Task A_server_without_upstream_refuses_clearly()
    {
        await using var harness = new Harness();
        await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { Features = Features.Resume });
        var refused = await Assert.ThrowsAsync<PushSendException>(() => harness.Client.SendAsync("demo", "alice", "chat", "x"));
        Assert.Equal(ReasonCode.NotSupported, refused.Reason);
    }

    [Fact]
    public async Task A_cancelled_message_is_not_sent_again()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        using var cancel = new CancellationTokenSource();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "never mind", cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Waiting.For(send, "the cancel"));
        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync();
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(0, room.Unread);
    }

    [Fact]
    public async Task Bad_calls_are_refused_and_change_nothing()
    {
        await using var harness = new Harness();
        await harness.StartOnlineAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => harness.Client.SendAsync("demo", "nobody", "chat", "x"));
        await Assert.ThrowsAsync<ArgumentException>(() => harness.Client.SendAsync("demo", "alice", "", "x"));
        await Assert.ThrowsAsync<ArgumentException>(() => harness.Client.SendAsync("demo", "alice", new string('t', 33), "x"));
        await Assert.ThrowsAsync<ArgumentException>(() => harness.Client.SendAsync("demo", "alice", "chat", (PayloadKind)9, default));
        Assert.Equal(0, harness.Client.Context.Outbox.Bytes);
    }

    [Fact]
    public async Task Ending_the_binding_gives_its_messages_up()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "x");
        await harness.Client.UnbindAsync("demo", "alice");
        Assert.Equal(ReasonCode.UnknownTarget, (await Assert.ThrowsAsync<PushSendException>(() => Waiting.For(send, "given up"))).Reason);
    }

    [Fact]
    public async Task Ids_grow_over_a_restart_of_the_client()
    {
        using var folder = new TempFolder();
        var ids = new List<long>();
        for (var run = 0; run < 2; run++)
        {
            await using var harness = new Harness(o => o.StorePath = folder.File());
            var room = await harness.StartOnlineAsync();
            for (var i = 0; i < 3; i++)
            {
                var send = harness.Client.SendAsync("demo", "alice", "chat", "x");
                var id = Read(await room.ReadAsync(Opcode.Send)).Id;
                await room.SendAsync(new SendOkMessage(0, id, ReasonCode.Ok, 0).Write);
                ids.Add(await Waiting.For(send, "the answer"));
            }
        }
        Assert.Equal(ids.Order(), ids);
        Assert.Equal(6, ids.Distinct().Count());
    }

    [Fact]
    public async Task A_handler_may_wait_for_a_message_that_it_sends()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        harness.Handler = async message => await harness.Client.SendAsync("demo", "alice", "echo", message.Text);
        await room.PushAsync(1, "ping");
        var (_, id, _, _, text) = Read(await room.ReadAsync(Opcode.Send));
        Assert.Equal("ping", text);
        Assert.Equal(0, room.Unread);
        await room.SendAsync(new SendOkMessage(0, id, ReasonCode.Ok, 0).Write);
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
    }

    private static (int Index, long Id, string Type, PayloadKind Kind, string Text) Read(byte[] body)
    {
        var message = SendMessage.Read(body);
        return (message.AppIndex, message.MessageId, message.Type, message.Kind, System.Text.Encoding.UTF8.GetString(message.Payload));
    }

    private static async Task<List<(long Id, string Text)>> ReadManyAsync(FakeConnection room, int count)
    {
        var messages = new List<(long, string)>();
        while (messages.Count < count)
        {
            var (_, id, _, _, text) = Read(await room.ReadAsync(Opcode.Send));
            messages.Add((id, text));
        }
        return messages;
    }
}
