using System.Buffers;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class LoginTests
{
    [Fact]
    public async Task Login_answers_settings_and_binds_in_the_registry()
    {
        await using var world = new RoomWorld(options => options.Addresses = ["room.example:7402"]);
        var client = world.Connect();
        var answer = client.Login(world.Binding(Alice));
        Assert.Equal(1, answer.Settings.Version);
        Assert.Equal(Features.Resume | Features.Pull | Features.Upstream, answer.Settings.Features);
        Assert.Equal(30, answer.Settings.ResumeSeconds);
        Assert.Equal((10, 1800, 240), (answer.Settings.HeartbeatMinSeconds, answer.Settings.HeartbeatMaxSeconds, answer.Settings.HeartbeatDefaultSeconds));
        Assert.Equal(66 * 1024, answer.Settings.FrameLimit);
        Assert.Equal(world.Clock.GetUtcNow().ToUnixTimeMilliseconds(), answer.Settings.ServerTime);
        Assert.Equal(["room.example:7402"], answer.Settings.Addresses);
        var result = Assert.Single(answer.Results);
        Assert.Equal(new BindResult(ReasonCode.Ok, 0, new StreamPosition(7, 0), new StreamPosition(3, 0)), result);
        var entry = world.Registry.Of(Alice)!;
        Assert.Equal(("room-1", 10L, client.ConnectionId, "device"), (entry.Room, entry.Incarnation, entry.Connection, entry.Device));
        Assert.Equal(client.Wire.EndPoint.ToString(), entry.RemoteAddress);
    }

    [Fact]
    public async Task Login_without_bindings_is_accepted()
    {
        await using var world = new RoomWorld();
        var client = world.Connect();
        Assert.Empty(client.Login().Results);
        client.ExpectAlive();
    }

    [Fact]
    public async Task Login_cut_into_single_bytes_is_accepted()
    {
        await using var world = new RoomWorld();
        var client = world.Connect();
        var bytes = new ArrayBufferWriter<byte>();
        Preface.Current.Write(bytes);
        new LoginMessage("device", "", NetworkType.Unknown, Features.None, 0, [world.Binding(Alice)]).Write(bytes);
        foreach (var value in bytes.WrittenSpan)
        {
            client.Wire.Send([value]);
            world.Run();
        }
        Assert.Equal(ReasonCode.Ok, client.ExpectLogin().Results[0].Code);
    }

    [Fact]
    public async Task A_connection_that_does_not_log_in_in_time_gets_an_error()
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface();
        world.Advance(9.8);
        client.ExpectNothing();
        world.Advance(0.3);
        client.ExpectError(ReasonCode.LoginTimeout);
    }

    [Fact]
    public async Task Bytes_that_trickle_do_not_extend_the_login_deadline()
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface();
        client.Wire.Send([1, 100]);
        for (var i = 0; i < 10; i++)
        {
            world.Advance(1.05);
            client.Wire.Send([1]);
        }
        client.ExpectError(ReasonCode.LoginTimeout);
    }

    [Fact]
    public async Task A_login_that_the_stores_do_not_answer_ends_at_the_deadline_and_is_undone()
    {
        await using var world = new RoomWorld(options => options.StoreCallTimeout = TimeSpan.FromMinutes(1));
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        world.Advance(10.2);
        client.ExpectError(ReasonCode.LoginTimeout);
        Assert.NotNull(world.Registry.Of(Alice));
        gate.Release();
        await world.Until(() => world.Registry.Count == 0, "the entry is removed");
        Assert.Equal(0, world.Room.Sessions);
    }

    [Theory]
    [InlineData(2, 3)]
    [InlineData(0, 1)]
    [InlineData(3, 2)]
    public async Task A_version_that_is_not_common_is_refused(byte lowest, byte highest)
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface(lowest, highest);
        Assert.Equal(ReconnectAdvice.Stay, client.ExpectError(ReasonCode.UnsupportedVersion).Advice);
    }

    [Fact]
    public async Task A_range_of_versions_that_contains_ours_is_accepted()
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface(1, 9).SendLogin();
        Assert.Equal(1, client.ExpectLogin().Settings.Version);
    }

    [Fact]
    public async Task Another_protocol_is_refused_at_its_first_byte()
    {
        await using var world = new RoomWorld();
        var client = world.Connect();
        client.Wire.Send("G"u8);
        client.ExpectError(ReasonCode.UnsupportedVersion);
    }

    [Fact]
    public async Task Frames_before_login_have_a_small_limit_and_a_large_one_after()
    {
        await using var world = new RoomWorld();
        var early = world.Connect().SendPreface();
        early.Send(output => WriteUnknown(output, 40, 8 * 1024 + 1));
        early.ExpectError(ReasonCode.FrameTooLarge);
        var late = world.LogIn(Alice);
        late.Send(output => WriteUnknown(output, 40, 66 * 1024));
        late.ExpectAlive();
        late.Send(output => WriteUnknown(output, 40, 66 * 1024 + 1));
        late.ExpectError(ReasonCode.FrameTooLarge);
    }

    [Fact]
    public async Task Unknown_frames_are_skipped_unless_they_are_critical()
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface().Send(output => WriteUnknown(output, 50, 10)).SendLogin(world.Binding(Alice));
        client.ExpectLogin();
        client.Send(output => WriteUnknown(output, 50, 10));
        client.ExpectAlive();
        client.Send(output => WriteUnknown(output, 50 | FrameHeader.CriticalFlag, 10));
        client.ExpectError(ReasonCode.UnsupportedFrame);
    }

    [Fact]
    public async Task A_critical_unknown_frame_before_login_ends_the_connection()
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface().Send(output => WriteUnknown(output, 50 | FrameHeader.CriticalFlag, 1));
        client.ExpectError(ReasonCode.UnsupportedFrame);
    }

    [Fact]
    public async Task A_frame_of_the_wrong_state_ends_the_connection()
    {
        await using var world = new RoomWorld();
        world.Connect().SendPreface().Ping().ExpectError(ReasonCode.UnexpectedFrame);
        var client = world.LogIn(Alice);
        client.SendLogin();
        client.ExpectError(ReasonCode.UnexpectedFrame);
    }

    [Fact]
    public async Task A_server_frame_from_a_client_ends_the_connection()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Send(output => new PongMessage(0, 0).Write(output));
        client.ExpectError(ReasonCode.UnexpectedFrame);
    }

    [Fact]
    public async Task A_malformed_login_names_its_field()
    {
        await using var world = new RoomWorld();
        var client = world.Connect().SendPreface().Send(output => new LoginMessage("", "", 0, 0, 0, []).Write(output));
        Assert.Contains("device", client.ExpectError(ReasonCode.BadFrame).Text);
    }

    [Fact]
    public async Task Frames_behind_login_wait_until_it_is_done()
    {
        await using var world = new RoomWorld();
        var registering = world.Registry.Script.HoldBefore("BindAsync");
        var opening = world.Mailboxes.Script.HoldBefore("OpenAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice)).Ping().SendUp(5);
        client.ExpectNothing();
        registering.Release();
        client.ExpectNothing();
        opening.Release();
        client.ExpectLogin();
        client.Expect(Opcode.Pong);
        Assert.Equal(5, client.ExpectSendOk().MessageId);
    }

    [Fact]
    public async Task What_waits_behind_a_login_is_bounded()
    {
        await using var world = new RoomWorld();
        var gate = world.Registry.Script.HoldBefore("BindAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        for (var i = 0; i < 40; i++)
            client.Send(output => WriteUnknown(output, 50, 8_000));
        client.ExpectNothing();
        gate.Release();
        client.ExpectLogin();
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_connection_that_ends_during_login_leaves_nothing_behind()
    {
        foreach (var (registry, hold, call) in new[] { (true, "before", "BindAsync"), (true, "after", "BindAsync"), (false, "before", "OpenAsync"), (false, "after", "OpenAsync") })
        {
            await using var world = new RoomWorld();
            var script = registry ? world.Registry.Script : world.Mailboxes.Script;
            var gate = hold == "before" ? script.HoldBefore(call) : script.HoldAfter(call);
            var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice), world.Binding(Bob));
            client.Drop();
            Assert.Equal(0, world.Room.Sessions);
            Assert.Equal(Contracts.DeliverOutcome.NotHere, world.Push(Alice, "x"));
            gate.Release();
            await world.Until(() => world.Registry.Count == 0 && world.Registry.UnbindCount == 2, $"unwound after {call}");
            Assert.Equal(0, world.Room.Connections);
            Assert.Equal(0, world.Room.Context.Metrics.Detached);
        }
    }

    internal static void WriteUnknown(IBufferWriter<byte> output, byte type, int length)
    {
        var header = new byte[4];
        var size = FrameHeader.Write(header, (Opcode)type, length);
        output.Write(header.AsSpan(0, size));
        output.Write(new byte[length]);
    }
}
