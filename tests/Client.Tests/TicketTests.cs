using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class TicketTests
{
    private static string Text(byte value) => System.Buffers.Text.Base64Url.EncodeToString([value]);

    [Theory]
    [InlineData(ReasonCode.TicketExpired)]
    [InlineData(ReasonCode.TicketInvalid)]
    [InlineData(ReasonCode.TicketKeyUnknown)]
    public async Task A_refused_ticket_is_replaced_once_by_a_new_one_on_the_same_connection(ReasonCode code)
    {
        await using var harness = new Harness();
        byte calls = 0;
        var alice = harness.Client.Bind("demo", "alice", _ => ValueTask.FromResult(Text(++calls)));
        await harness.StartUnboundAsync();
        var room = await harness.Room.AcceptAsync();
        var login = await room.LoginAsync(null, FakeConnection.Refused(code));
        Assert.Equal(new byte[] { 1 }, login.Bindings.Single().Ticket.ToArray());
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        Assert.Equal(new byte[] { 2 }, bind.Binding.Ticket.ToArray());
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Bound(0)).Write);
        await Waiting.For(alice.WaitBoundAsync(), "bound");
        Assert.Equal(2, calls);
    }

    [Fact]
    public async Task A_ticket_refused_twice_fails_the_binding_with_the_reason_and_leaves_the_others()
    {
        await using var harness = new Harness();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync(null, FakeConnection.Refused(ReasonCode.TicketExpired), FakeConnection.Bound(0));
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Refused(ReasonCode.TicketExpired)).Write);
        var change = await harness.Bindings.NextAsync(b => b.State == BindingState.Failed);
        Assert.Equal(("bob", ReasonCode.TicketExpired), (change.Binding.User, change.Reason));
        var failure = await Assert.ThrowsAsync<PushBindException>(() => Waiting.For(change.Binding.WaitBoundAsync(), "the failure"));
        Assert.Equal(ReasonCode.TicketExpired, failure.Reason);
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(BindingState.Bound, harness.Alice.State);

        // Not tried again by itself, neither now nor with the next login.
        room.Close();
        await harness.PassBackOffAsync();
        var next = await harness.Room.AcceptAsync();
        await next.ReadResumeAsync();
        await next.SendAsync(new ResumeOkMessage(ReasonCode.ResumeUnknown, null).Write);
        Assert.Equal("alice", LoginMessage.Read(await next.ReadAsync(Opcode.Login)).Bindings.Single().User);
    }

    [Theory]
    [InlineData(ReasonCode.AppUnknown)]
    [InlineData(ReasonCode.TooManyBindings)]
    [InlineData(ReasonCode.NotSupported)]
    public async Task A_refusal_for_good_fails_at_once(ReasonCode code)
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var bob = harness.Client.Bind("demo", "bob", Harness.TicketText);
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Refused(code)).Write);
        await Assert.ThrowsAsync<PushBindException>(() => Waiting.For(bob.WaitBoundAsync(), "the failure"));
        Assert.Equal(BindingState.Failed, bob.State);
    }

    [Fact]
    public async Task Already_bound_is_cleared_up_by_a_new_login()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
        await room.SendAsync(new BindOkMessage(bind.RequestId, FakeConnection.Refused(ReasonCode.AlreadyBound)).Write);
        Assert.Equal(ReasonCode.AlreadyBound, (await harness.PassBackOffAsync()).Reason);
        Assert.Equal(2, (await (await harness.Room.AcceptAsync()).LoginAsync()).Bindings.Count);
    }

    [Fact]
    public async Task A_temporary_refusal_is_tried_again_after_a_wait()
    {
        await using var harness = new Harness();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        await harness.StartAsync();
        var room = await harness.Room.AcceptAsync();
        await room.LoginAsync(null, FakeConnection.Refused(ReasonCode.BindUnavailable), FakeConnection.Bound(0));
        for (var round = 0; round < 3; round++)
        {
            harness.Clock.Advance(await harness.Clock.ArmedAsync(d => d >= TimeSpan.FromSeconds(1) && d < TimeSpan.FromSeconds(100) && d != TimeSpan.FromSeconds(10), "the wait"));
            var bind = BindMessage.Read(await room.ReadAsync(Opcode.Bind));
            Assert.Equal("bob", bind.Binding.User);
            await room.SendAsync(new BindOkMessage(bind.RequestId, round < 2 ? FakeConnection.Refused(ReasonCode.Busy) : FakeConnection.Bound(1)).Write);
        }
        await harness.Bindings.NextAsync(b => b.Binding.User == "bob" && b.State == BindingState.Bound);
    }

    [Fact]
    public async Task A_provider_that_throws_is_told_and_asked_again_later()
    {
        await using var harness = new Harness();
        var calls = 0;
        harness.Client.Bind("demo", "alice", _ => ++calls == 1 ? throw new HttpRequestException("business away") : ValueTask.FromResult(Text(9)));
        await harness.StartUnboundAsync();
        var error = await harness.Errors.NextAsync();
        Assert.Equal(ClientErrorKind.TicketProvider, error.Kind);
        Assert.Contains("business away", error.Detail, StringComparison.Ordinal);
        await harness.PassBackOffAsync();
        Assert.Equal(new byte[] { 9 }, (await (await harness.Room.AcceptAsync()).LoginAsync()).Bindings.Single().Ticket.ToArray());
    }

    [Fact]
    public async Task A_provider_that_does_not_end_holds_up_only_its_own_binding()
    {
        await using var harness = new Harness(o => o.TicketTimeout = TimeSpan.FromSeconds(6));
        harness.Client.Bind("demo", "bob", async _ =>
        {
            await new TaskCompletionSource().Task;
            return "";
        });
        await harness.StartAsync();
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(6), "the ticket timeout");
        harness.Clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Contains("within 6 s", (await harness.Errors.NextAsync()).Detail, StringComparison.Ordinal);
        var room = await harness.Room.AcceptAsync();
        Assert.Equal("alice", (await room.LoginAsync()).Bindings.Single().User);
        await Waiting.For(harness.Alice.WaitBoundAsync(), "alice is bound");
    }

    [Fact]
    public async Task A_ticket_that_is_not_in_text_form_is_told()
    {
        await using var harness = new Harness();
        harness.Client.Bind("demo", "alice", _ => ValueTask.FromResult("***"));
        await harness.StartUnboundAsync();
        Assert.Equal(ClientErrorKind.TicketProvider, (await harness.Errors.NextAsync()).Kind);
        Assert.False(harness.Room.IsAsked);
    }

    [Fact]
    public async Task The_provider_is_not_asked_again_while_its_ticket_is_accepted()
    {
        await using var harness = new Harness();
        var calls = 0;
        harness.Client.Bind("demo", "alice", () => Task.FromResult(Text((byte)++calls)));
        await harness.StartUnboundAsync();
        for (var round = 0; round < 3; round++)
        {
            var room = await harness.Room.AcceptAsync();
            await room.LoginAsync(FakeConnection.DefaultSettings with { ResumeTicket = default });
            await harness.States.NextAsync(s => s.State == ClientState.Online);
            room.Close();
            await harness.PassBackOffAsync();
        }
        Assert.Equal(1, calls);
    }
}
