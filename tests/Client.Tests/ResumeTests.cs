using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class ResumeTests
{
    [Fact]
    public async Task A_lost_connection_is_resumed_with_the_processed_positions_and_the_same_indexes()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(null, FakeConnection.Bound(3, new StreamPosition(2, 10)));
        await room.PushAsync(11, index: 3);
        await harness.TextsAsync(1);
        room.Close();
        await harness.PassBackOffAsync();

        var next = await harness.Room.AcceptAsync();
        var resume = await next.ReadResumeAsync();
        Assert.Equal(new byte[] { 1, 2, 3 }, resume.Ticket.ToArray());
        Assert.Equal(new ResumePosition(3, new StreamPosition(2, 11), new StreamPosition(1, 0)), Assert.Single(resume.Positions));
        await next.SendAsync(new ResumeOkMessage(ReasonCode.Ok, FakeConnection.DefaultSettings with { AckCount = 1 }).Write, o => FakeConnection.Push(o, 12, "", 3));
        Assert.Equal(12, (await next.ReadAckAsync()).Seq);
        await harness.Bindings.NextAsync(b => b.State == BindingState.Waiting);
        await harness.Bindings.NextAsync(b => b.State == BindingState.Bound);
        Assert.Empty(harness.Resets.All);
    }

    [Fact]
    public async Task A_refused_resume_is_followed_by_login_on_the_same_connection()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        room.Close();
        await harness.PassBackOffAsync();

        var next = await harness.Room.AcceptAsync();
        await next.ReadResumeAsync();
        await next.SendAsync(new ResumeOkMessage(ReasonCode.ResumeUnknown, null).Write);
        var login = await next.LoginAsync(null, FakeConnection.Bound(0, new StreamPosition(1, 1)));
        Assert.Equal(new StreamPosition(1, 1), login.Bindings.Single().Mailbox);
        await next.PushAsync(2);
        Assert.Equal(["Mailbox 2"], await harness.TextsAsync(1));
    }

    [Fact]
    public async Task A_resume_ticket_that_is_too_old_is_not_tried()
    {
        await using var harness = new Harness(o => o.BackoffBase = o.BackoffCap = TimeSpan.FromSeconds(40));
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { ResumeSeconds = 30 });
        room.Close();
        Assert.True((await harness.PassBackOffAsync()).RetryIn >= TimeSpan.FromSeconds(30));
        await (await harness.Room.AcceptAsync()).ReadLoginAsync();
    }

    [Fact]
    public async Task Without_a_resume_ticket_there_is_no_resume()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { ResumeTicket = default });
        room.Close();
        await harness.PassBackOffAsync();
        await (await harness.Room.AcceptAsync()).ReadLoginAsync();
    }

    [Fact]
    public async Task After_a_goaway_there_is_no_resume()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.SendAsync(new GoAwayMessage(ReasonCode.Draining, null, ReconnectAdvice.BackOff, 0, []).Write);
        await harness.PassBackOffAsync();
        await (await harness.Room.AcceptAsync()).ReadLoginAsync();
    }

    [Fact]
    public async Task While_an_unbind_is_not_confirmed_nothing_is_resumed()
    {
        await using var harness = new Harness();
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        var room = await harness.StartOnlineAsync();
        var unbind = harness.Client.UnbindAsync("demo", "bob");
        await room.ReadAsync(Opcode.Unbind);
        room.Close();
        await Waiting.For(unbind, "unbind ends with the connection");
        await harness.PassBackOffAsync();
        Assert.Equal("alice", (await (await harness.Room.AcceptAsync()).ReadLoginAsync()).Bindings.Single().User);
    }

    [Fact]
    public async Task What_was_bound_while_the_client_was_away_is_bound_after_the_resume()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        room.Close();
        await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        harness.Client.Bind("demo", "bob", Harness.TicketText);
        harness.Client.RetryNow();
        var next = await harness.Room.AcceptAsync();
        await next.ReadResumeAsync();
        await next.SendAsync(new ResumeOkMessage(ReasonCode.Ok, FakeConnection.DefaultSettings).Write);
        Assert.Equal("bob", BindMessage.Read(await next.ReadAsync(Opcode.Bind)).Binding.User);
    }

    [Fact]
    public async Task A_resume_whose_room_is_gone_goes_on_with_login_at_the_next_address()
    {
        await using var second = new FakeRoom();
        await using var harness = new Harness(o => o.Addresses = [.. o.Addresses, second.Address]);
        var room = await harness.StartOnlineAsync();
        harness.Room.Close();
        room.Close();
        await harness.PassBackOffAsync();
        Assert.Equal("alice", (await (await second.AcceptAsync()).LoginAsync()).Bindings.Single().User);
    }

    [Fact]
    public async Task A_reset_behind_a_resume_is_told()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        room.Close();
        await harness.PassBackOffAsync();
        var next = await harness.Room.AcceptAsync();
        await next.ReadResumeAsync();
        await next.SendAsync(new ResumeOkMessage(ReasonCode.Ok, FakeConnection.DefaultSettings).Write);
        await next.ResetAsync(1, 4, ResetReason.Cancelled);
        await next.PushAsync(4);
        Assert.Equal(["Mailbox 4"], await harness.TextsAsync(1));
        Assert.Equal(ResetReason.Cancelled, Assert.Single(harness.Resets.All).Reason);
    }
}
