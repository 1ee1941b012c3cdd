using System.Buffers;
using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class LoginTests
{
    [Fact]
    public async Task Login_carries_the_device_and_every_binding_with_its_ticket()
    {
        await using var harness = new Harness(o => o.Network = NetworkType.Wifi);
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        var login = await room.LoginAsync();
        Assert.Equal(("phone-1", NetworkType.Wifi), (login.Device, login.Network));
        Assert.True(login.Features.HasFlag(Features.Resume | Features.Upstream));
        Assert.Equal(["bob", "alice"], login.Bindings.Select(b => b.User));
        Assert.All(login.Bindings, b => Assert.Equal(new byte[] { 10, 20, 30 }, b.Ticket.ToArray()));
        Assert.All(login.Bindings, b => Assert.Equal((default, default, false), (b.Mailbox, b.Broadcast, b.Pull)));
        await Waiting.For(harness.Alice.WaitBoundAsync(), "bound");
        Assert.Equal(BindingState.Bound, harness.Alice.State);
    }

    [Fact]
    public async Task Several_bindings_keep_their_streams_apart()
    {
        await using var harness = new Harness();
        var bob = harness.Client.Bind("other", "bob", Harness.TicketText);
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync(FakeConnection.DefaultSettings with { AckCount = 1 },
            FakeConnection.Bound(4, new StreamPosition(9, 70)), FakeConnection.Bound(2));
        await room.PushAsync(71, "for bob", index: 4);
        Assert.Equal((4, 71L), await AckAsync());
        await room.PushAsync(1, "for alice", index: 2);
        Assert.Equal((2, 1L), await AckAsync());
        Assert.Equal([("other", "for bob"), ("demo", "for alice")], harness.Messages.All.Select(m => (m.App, m.Text)));
        Assert.Equal(BindingState.Bound, bob.State);

        async Task<(int, long)> AckAsync()
        {
            var ack = await room.ReadAckAsync();
            return (ack.AppIndex, ack.Seq);
        }
    }

    [Fact]
    public async Task A_push_in_the_same_bytes_as_the_login_answer_is_delivered()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.ReadLoginAsync();
        await room.SendAsync(new LoginOkMessage(FakeConnection.DefaultSettings, [FakeConnection.Bound(0)]).Write, o => FakeConnection.Push(o, 1, "early"));
        Assert.Equal(["early"], await harness.TextsAsync(1));
    }

    [Fact]
    public async Task Frames_that_arrive_byte_by_byte_are_put_together()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.ReadLoginAsync();
        var bytes = new ArrayBufferWriter<byte>();
        new LoginOkMessage(FakeConnection.DefaultSettings, [FakeConnection.Bound(0)]).Write(bytes);
        FakeConnection.Push(bytes, 1, "first");
        FakeConnection.Push(bytes, 2, "second");
        for (var i = 0; i < bytes.WrittenCount; i++)
            await room.SendBytesAsync(bytes.WrittenMemory.Slice(i, 1));
        Assert.Equal(["first", "second"], await harness.TextsAsync(2));
    }

    [Fact]
    public async Task Unknown_frames_are_skipped_before_and_after_the_login()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.ReadLoginAsync();
        byte[] unknown = [0x3E, 3, 1, 2, 3];
        await room.SendBytesAsync(unknown);
        await room.SendAsync(new LoginOkMessage(FakeConnection.DefaultSettings, [FakeConnection.Bound(0)]).Write);
        await room.SendBytesAsync(unknown);
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        Assert.Empty(harness.Errors.All);
    }

    [Theory]
    [InlineData(new byte[] { 0x7E, 0 }, "critical")]
    [InlineData(new byte[] { 0x01, 0 }, "no place")]
    [InlineData(new byte[] { 0x80, 0 }, "reserved bit")]
    [InlineData(new byte[] { 0x08, 0xFF, 0xFF, 0x7F }, "exceeds the limit")]
    [InlineData(new byte[] { 0x08, 1, 0 }, "flags")]
    [InlineData(new byte[] { 0x14, 1, 0 }, "UNBIND_OK")]
    [InlineData(new byte[] { 0x06, 6, 9, 0, 0, 1, 0, 1 }, "is cut off")]
    public async Task Bytes_against_the_protocol_end_the_connection_and_the_client_comes_back(byte[] bytes, string expected)
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.SendBytesAsync(bytes);
        await room.ClosedAsync("violation");
        var error = await harness.Errors.NextAsync();
        Assert.Equal(ClientErrorKind.Protocol, error.Kind);
        Assert.Contains(expected, error.Detail, StringComparison.Ordinal);
        await harness.PassBackOffAsync();
        await harness.AcceptOnlineAsync();
    }

    [Fact]
    public async Task A_login_answer_with_another_number_of_results_is_refused()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.ReadLoginAsync();
        await room.SendAsync(new LoginOkMessage(FakeConnection.DefaultSettings, [FakeConnection.Bound(0), FakeConnection.Bound(1)]).Write);
        await room.ClosedAsync("wrong number of results");
        Assert.Contains("2 results for 1", (await harness.Errors.NextAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_version_that_was_not_offered_is_refused()
    {
        await using var harness = new Harness();
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync(FakeConnection.DefaultSettings with { Version = 2 });
        await room.ClosedAsync("wrong version");
        Assert.Contains("version 2", (await harness.Errors.NextAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_room_that_does_not_answer_the_login_is_left_for_the_next_address()
    {
        await using var second = new FakeRoom();
        await using var harness = new Harness();
        await using var client = new Harness(o => o.Addresses = [harness.Room.Address, second.Address], room: harness.Room);
        await client.StartAsync();
        var silent = await harness.Room.AcceptAsync();
        await silent.ReadLoginAsync();
        await client.Clock.ArmedAsync(TimeSpan.FromSeconds(10), "the login timeout");
        client.Clock.Advance(TimeSpan.FromSeconds(10));
        var room = await second.AcceptAsync();
        await room.LoginAsync();
        await Waiting.For(client.Alice.WaitBoundAsync(), "bound at the second address");
    }

    [Fact]
    public async Task A_binding_made_online_is_bound_on_the_same_connection()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var bob = harness.Client.Bind("demo", "bob", Harness.TicketText);
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        Assert.Equal("bob", bind.Binding.User);
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(5)).Write, o => FakeConnection.Push(o, 1, "hi bob", 5));
        Assert.Equal(["hi bob"], await harness.TextsAsync(1));
        Assert.Equal(BindingState.Bound, bob.State);
    }

    [Fact]
    public async Task Unbinding_sends_the_acks_first_and_drops_what_still_arrives()
    {
        await using var harness = new Harness();
        var bob = harness.Client.Bind("demo", "bob", Harness.TicketText);
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1, index: 0);
        await harness.Clock.ArmedAsync(TimeSpan.FromMilliseconds(500), "the ack timer");
        var unbind = harness.Client.UnbindAsync("demo", "bob");
        Assert.Equal((0, 1L), Pair(await room.ReadAckAsync()));
        Assert.Equal(0, UnbindMessage.Read(await room.ReadAsync(Opcode.Unbind)).AppIndex);
        await room.PushAsync(2, index: 0);
        await room.SendAsync(o => new UnbindMessage(0).Write(o, Opcode.UnbindOk), o => FakeConnection.Push(o, 1, "alice", 1));
        await Waiting.For(unbind, "unbind");
        await harness.Messages.NextAsync(m => m.Text == "alice");
        Assert.Equal(2, harness.Messages.All.Count);
        Assert.Equal(BindingState.Unbound, bob.State);
        Assert.Equal(ClientState.Online, harness.Client.State);

        static (int, long) Pair(AckMessage ack) => (ack.AppIndex, ack.Seq);
    }

    [Fact]
    public async Task Without_bindings_there_is_no_connection_and_a_new_binding_brings_it_back()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var unbind = harness.Client.UnbindAsync("demo", "alice");
        await room.ReadAsync(Opcode.Unbind);
        await room.SendAsync(o => new UnbindMessage(0).Write(o, Opcode.UnbindOk));
        await Waiting.For(unbind, "unbind");
        await room.ClosedAsync("nothing is bound");
        await harness.States.NextAsync(s => s.State == ClientState.Idle, "idle");
        Assert.False(harness.Room.IsAsked);

        harness.Client.Bind("demo", "carol", Harness.TicketText);
        var next = await harness.Room.AcceptAsync();
        Assert.Equal("carol", (await next.LoginAsync()).Bindings.Single().User);
    }

    [Fact]
    public async Task A_binding_unbound_while_its_bind_is_under_way_is_unbound_at_the_server_too()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        await harness.Client.UnbindAsync("demo", "bob");
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(1)).Write, o => FakeConnection.Push(o, 1, "late", 1));
        Assert.Equal(1, UnbindMessage.Read(await room.ReadAsync(Opcode.Unbind)).AppIndex);
        await room.SendAsync(o => new UnbindMessage(1).Write(o, Opcode.UnbindOk));
        await harness.Client.RoundTripAsync(room);
        Assert.Empty(harness.Messages.All);
    }

    [Fact]
    public void Bind_refuses_bad_ids_doubles_and_more_than_the_limit()
    {
        using var client = new SyncDispose(new PushClient(new PushClientOptions { Addresses = ["127.0.0.1:1"], Device = "d" }));
        Assert.Throws<ArgumentException>(() => client.Value.Bind("", "u", Harness.TicketText));
        Assert.Throws<ArgumentException>(() => client.Value.Bind("a", new string('u', 65), Harness.TicketText));
        Assert.Throws<ArgumentException>(() => client.Value.Bind("a", "u\n", Harness.TicketText));
        Assert.Throws<ArgumentException>(() => client.Value.Bind("a", "u", "not a ticket!"));
        for (var i = 0; i < ProtocolLimits.MaxBindings; i++)
            client.Value.Bind("a", $"u{i}", Harness.TicketText);
        Assert.Contains("bound already", Assert.Throws<InvalidOperationException>(() => client.Value.Bind("a", "u3", Harness.TicketText)).Message, StringComparison.Ordinal);
        Assert.Contains("16", Assert.Throws<InvalidOperationException>(() => client.Value.Bind("a", "more", Harness.TicketText)).Message, StringComparison.Ordinal);
    }

    private sealed class SyncDispose(PushClient client) : IDisposable
    {
        public PushClient Value => client;
        public void Dispose() => client.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
