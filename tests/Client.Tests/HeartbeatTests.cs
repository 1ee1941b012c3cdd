using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class HeartbeatTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(120), PingTimeout = TimeSpan.FromSeconds(9);

    [Fact]
    public async Task A_ping_with_the_interval_follows_when_nothing_was_sent_for_that_long()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        for (var round = 0; round < 3; round++)
        {
            await PassIntervalAsync(harness);
            Assert.Equal(120, PingMessage.Read(await room.ReadAsync(Opcode.Ping)).NextIntervalSeconds);
            await room.SendAsync(default(PongMessage).Write);
            await harness.Clock.ArmedAsync(PingTimeout, "the ping timeout");
            // Any frame read behind the PING counts; this makes sure that the PONG was.
            await harness.Client.RoundTripAsync(room);
            harness.Clock.Advance(PingTimeout);
        }
        Assert.Equal(ClientState.Online, harness.Client.State);
    }

    [Fact]
    public async Task A_connection_on_which_nothing_answers_a_ping_is_replaced()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await harness.Clock.ArmedAsync(Interval, "the heartbeat timer");
        harness.Clock.Advance(Interval);
        await room.ReadAsync(Opcode.Ping);
        await harness.Clock.ArmedAsync(PingTimeout, "the ping timeout");
        harness.Clock.Advance(PingTimeout);
        var state = await harness.PassBackOffAsync();
        Assert.Contains("after a PING", state.Detail, StringComparison.Ordinal);
        await (await harness.Room.AcceptAsync()).ReadResumeAsync();
    }

    [Fact]
    public async Task Another_frame_than_pong_proves_life_as_well()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        await harness.Clock.ArmedAsync(Interval, "the heartbeat timer");
        harness.Clock.Advance(Interval);
        await room.ReadAsync(Opcode.Ping);
        await harness.Clock.ArmedAsync(PingTimeout, "the ping timeout");
        await room.PushAsync(1);
        await room.ReadAckAsync();
        harness.Clock.Advance(PingTimeout);
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(ClientState.Online, harness.Client.State);
    }

    [Fact]
    public async Task A_frame_sent_puts_the_ping_off()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await harness.Clock.ArmedAsync(Interval, "the heartbeat timer");
        harness.Clock.Advance(Interval - TimeSpan.FromSeconds(20));
        await harness.Client.RoundTripAsync(room);
        harness.Clock.Advance(TimeSpan.FromSeconds(20));
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(100), "the rest of the interval");
        Assert.Equal(0, room.Unread);
        harness.Clock.Advance(TimeSpan.FromSeconds(100));
        await room.ReadAsync(Opcode.Ping);
    }

    [Theory]
    [InlineData(45, 45)]
    [InlineData(5, 30)]
    [InlineData(5000, 600)]
    public async Task An_interval_of_the_options_is_announced_at_once_inside_the_servers_limits(int wanted, int announced)
    {
        await using var harness = new Harness(o => o.HeartbeatInterval = TimeSpan.FromSeconds(wanted));
        var room = await harness.StartOnlineAsync();
        Assert.Equal(announced, PingMessage.Read(await room.ReadAsync(Opcode.Ping)).NextIntervalSeconds);
    }

    [Theory]
    [InlineData(200, 400, 200)]
    [InlineData(10, 60, 60)]
    public async Task New_limits_in_a_pong_change_the_interval_at_once(int min, int max, int announced)
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await PassIntervalAsync(harness);
        await room.ReadAsync(Opcode.Ping);
        await room.SendAsync(new PongMessage(min, max).Write);
        Assert.Equal(announced, PingMessage.Read(await room.ReadAsync(Opcode.Ping)).NextIntervalSeconds);
        await room.SendAsync(default(PongMessage).Write);
        await harness.Client.RoundTripAsync(room);
        harness.Clock.Advance(PingTimeout);
        var rest = TimeSpan.FromSeconds(announced) - PingTimeout;
        await harness.Clock.ArmedAsync(rest, "the rest of the new interval");
        harness.Clock.Advance(rest);
        Assert.Equal(announced, PingMessage.Read(await room.ReadAsync(Opcode.Ping)).NextIntervalSeconds);
    }

    [Fact]
    public async Task Silence_while_the_client_itself_does_not_read_is_no_dead_connection()
    {
        await using var harness = new Harness(o => o.ReceiveQueueBytes = 4096);
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 3 });
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        var text = new string('z', 3000);
        for (var seq = 1; seq <= 3; seq++)
            await room.PushAsync(seq, text);
        await harness.TextsAsync(1);
        await Waiting.Until(() => harness.Client.Connection!.IsPaused, "the queue is full");
        for (var round = 0; round < 3; round++)
        {
            await PassIntervalAsync(harness);
            await room.ReadAsync(Opcode.Ping);
            await harness.Clock.ArmedAsync(PingTimeout, "the ping timeout");
            harness.Clock.Advance(PingTimeout);
        }
        gate.SetResult();
        Assert.Equal(3, (await room.ReadAckAsync()).Seq);
        Assert.DoesNotContain(harness.States.All, s => s.State == ClientState.BackingOff);
    }

    // Exactly what is left of the interval: with more, the ping timeout might fall due in the same step.
    private static async Task PassIntervalAsync(Harness harness) =>
        harness.Clock.Advance(await harness.Clock.ArmedAsync(d => d > TimeSpan.FromSeconds(100), "the heartbeat timer"));
}
