using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class LifetimeTests
{
    [Fact]
    public async Task Dispose_before_start_and_twice_is_harmless()
    {
        var client = new PushClient(new PushClientOptions { Addresses = ["127.0.0.1:1"], Device = "d" });
        await client.DisposeAsync();
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.StartAsync());
        Assert.Throws<ObjectDisposedException>(() => client.Bind("a", "u", Harness.TicketText));
    }

    [Fact]
    public async Task Dispose_during_a_ticket_request()
    {
        await using var harness = new Harness();
        var asked = new TaskCompletionSource();
        harness.Client.Bind("demo", "alice", async _ =>
        {
            asked.SetResult();
            await new TaskCompletionSource().Task;
            return "";
        });
        await harness.StartUnboundAsync();
        await Waiting.For(asked.Task, "the provider is asked");
        await DisposeAsync(harness);
    }

    [Fact]
    public async Task Dispose_during_a_question_to_the_dispatcher()
    {
        using var http = new FakeDispatcher { Silent = true };
        await using var harness = new Harness(o => (o.Dispatcher, o.HttpHandler) = (new Uri("http://dispatcher.test"), http));
        await harness.StartAsync();
        await Waiting.Until(() => http.Asked.Count > 0, "the dispatcher is asked");
        await DisposeAsync(harness);
    }

    [Fact]
    public async Task Dispose_during_a_login()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.ReadLoginAsync();
        await DisposeAsync(harness);
        await room.ClosedAsync("dispose");
    }

    [Fact]
    public async Task Dispose_during_a_back_off()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        room.Close();
        await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        await DisposeAsync(harness);
    }

    [Fact]
    public async Task Dispose_while_nothing_is_bound()
    {
        await using var harness = new Harness();
        await harness.StartUnboundAsync();
        await harness.States.NextAsync(s => s.State == ClientState.Idle);
        await DisposeAsync(harness);
    }

    [Fact]
    public async Task Dispose_during_a_bind_and_a_bind_retry()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        harness.Client.Bind("demo", "carol", Harness.TicketText);
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        await room.ReadAsync(Opcode.Bind);
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Refused(ReasonCode.Busy)).Write);
        await DisposeAsync(harness);
        await room.ClosedAsync("dispose");
    }

    [Fact]
    public async Task Dispose_while_reading_is_paused_still_acknowledges_what_was_processed()
    {
        await using var harness = new Harness(o => o.ReceiveQueueBytes = 4096);
        var room = await harness.StartOnlineAsync();
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        for (var seq = 1; seq <= 5; seq++)
            await room.PushAsync(seq, new string('z', 3000));
        await harness.TextsAsync(1);
        var dispose = harness.Client.DisposeAsync().AsTask();
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(4), "the wait for the handler");
        gate.SetResult();
        await Waiting.For(dispose, "dispose");
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        Assert.Single(harness.Messages.All);
        await room.ClosedAsync("dispose");
    }

    [Fact]
    public async Task Dispose_gives_up_what_was_to_be_sent_and_whoever_waits_for_a_binding()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var send = harness.Client.SendAsync("demo", "alice", "chat", "x");
        var bound = harness.Alice.WaitBoundAsync();
        await DisposeAsync(harness);
        await Assert.ThrowsAsync<PushSendException>(() => Waiting.For(send, "the send"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Waiting.For(bound, "the wait"));
        Assert.Equal(ClientState.Stopped, harness.Client.State);
    }

    [Fact]
    public async Task A_client_can_be_stopped_and_started_again_without_showing_anything_twice()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        await Waiting.For(harness.Client.StopAsync(), "stop");
        Assert.Equal(ClientState.Stopped, harness.Client.State);
        await harness.Client.StartAsync();
        var next = await harness.Room.AcceptAsync();
        Assert.Equal(new StreamPosition(1, 1), (await next.LoginAsync()).Bindings.Single().Mailbox);
        await next.PushAsync(1);
        await next.PushAsync(2);
        Assert.Equal(["Mailbox 2"], await harness.TextsAsync(1));
    }

    [Fact]
    public async Task Start_needs_a_handler_and_happens_once()
    {
        await using var harness = new Harness();
        await Assert.ThrowsAsync<InvalidOperationException>(() => harness.Client.StartAsync());
        await harness.StartUnboundAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => harness.Client.StartAsync());
        Assert.Throws<InvalidOperationException>(() => harness.Client.OnMessage(_ => { }));
    }

    [Fact]
    public async Task An_event_handler_that_throws_disturbs_nothing_and_is_told()
    {
        await using var harness = new Harness();
        harness.Client.StateChanged += _ => throw new InvalidOperationException("my bug");
        harness.Client.ErrorOccurred += _ => throw new InvalidOperationException("my second bug");
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        Assert.All(harness.Errors.All, e => Assert.Equal(ClientErrorKind.EventHandler, e.Kind));
        Assert.NotEmpty(harness.Errors.All);
    }

    [Fact]
    public async Task The_ten_lines_of_the_guide_work_with_the_real_clock()
    {
        await using var room = new FakeRoom();
        var texts = new EventLog<string>("text");
        await using (var client = new PushClient(new PushClientOptions { Addresses = [room.Address], Device = "phone-1" }))
        {
            client.OnMessage(message => texts.Add(message.Text));
            client.Bind("demo", "alice", () => Task.FromResult(Harness.TicketText));
            await client.StartAsync();
            var connection = await room.AcceptAsync();
            await connection.LoginAsync(FakeConnection.DefaultSettings with { AckDelayMilliseconds = 1 });
            await connection.PushAsync(1, "hello");
            Assert.Equal("hello", await texts.NextAsync());
            Assert.Equal(1, (await connection.ReadAckAsync()).Seq);
        }
    }

    private static Task DisposeAsync(Harness harness) => Waiting.For(harness.Client.DisposeAsync().AsTask(), "dispose");
}
