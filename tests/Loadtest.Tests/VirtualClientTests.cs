using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using PushSystem.Loadtest.Clients;
using PushSystem.Loadtest.Tests.Fakes;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Loadtest.Tests;

public sealed class VirtualClientTests : IDisposable
{
    private readonly ScriptedRoom _room = new();
    private readonly Recorder _sink = new();
    private ClientFleet? _fleet;

    public void Dispose()
    {
        _fleet?.Dispose();
        _room.Dispose();
    }

    [Fact]
    public async Task A_client_logs_in_with_its_user_ticket_and_no_position()
    {
        await StartAsync();
        var (connection, login) = await _room.LoginAsync();
        using (connection)
        {
            var binding = Assert.Single(login.Bindings);
            Assert.Equal(("shop", "load-5", "ticket-0"), (binding.App, binding.User, Encoding.UTF8.GetString(binding.Ticket.Span)));
            Assert.Equal(default, binding.Mailbox);
            await Online(1);
            Assert.Equal(1, Stats.LoginLatency.Count);
        }
    }

    [Fact]
    public async Task Pushes_are_handed_on_once_and_acknowledged_by_count()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(200, 10), ackDelay: 60_000);
        using (connection)
        {
            foreach (var seq in (long[])[11, 12, 12, 11])
                await connection.PushAsync($"m{seq}", seq);
            // The fourth message completes the count, repeated ones included.
            Assert.Equal(new AckMessage(0, StreamKind.Mailbox, 200 & 0x7F, 12), await connection.ReadAckAsync());
            Assert.Equal(["m11", "m12"], _sink.Payloads);
            Assert.Equal(2, Stats.Repeated);
        }
    }

    [Fact]
    public async Task A_single_push_is_acknowledged_after_the_delay()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0), new StreamPosition(2, 40));
        using (connection)
        {
            await connection.PushAsync("b41", 41, StreamKind.Broadcast);
            Assert.Equal(new AckMessage(0, StreamKind.Broadcast, 2, 41), await connection.ReadAckAsync());
        }
    }

    [Fact]
    public async Task Acks_that_still_wait_are_sent_before_the_clients_leave()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0), ackCount: 100, ackDelay: 60_000);
        using (connection)
        {
            await connection.PushAsync("m1", 1);
            await Waiting.Until(() => _sink.Payloads.Length == 1, "the message");
            _fleet!.Dispose();
            Assert.Equal(1, (await connection.ReadAckAsync()).Seq);
            Assert.True(await connection.ClosedAsync());
        }
    }

    [Fact]
    public async Task With_immediate_acks_every_push_is_acknowledged_at_once()
    {
        await StartAsync(settings => settings with { ImmediateAck = true });
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0), ackCount: 100, ackDelay: 60_000);
        using (connection)
        {
            await connection.PushAsync("m1", 1);
            Assert.Equal(1, (await connection.ReadAckAsync()).Seq);
            await connection.PushAsync("m2", 2);
            Assert.Equal(2, (await connection.ReadAckAsync()).Seq);
        }
    }

    [Fact]
    public async Task Frames_that_arrive_byte_by_byte_are_put_together()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0));
        using (connection)
        {
            var longText = new string('x', 300);
            await connection.PushAsync(longText, 1, pieceBytes: 1);
            await connection.PushAsync("m2", 2, pieceBytes: 3);
            await Waiting.Until(() => _sink.Payloads.Length == 2, "both messages");
            Assert.Equal([longText, "m2"], _sink.Payloads);
        }
    }

    [Fact]
    public async Task A_large_message_spans_many_reads()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0));
        using (connection)
        {
            var large = new string('y', 900_000);
            await connection.PushAsync(large, 1);
            await connection.PushAsync("m2", 2);
            await Waiting.Until(() => _sink.Payloads.Length == 2, "both messages");
            Assert.Equal(large, _sink.Payloads[0]);
        }
    }

    [Fact]
    public async Task A_lost_connection_comes_back_with_the_position_and_drops_what_it_has()
    {
        await StartAsync();
        var (first, _) = await _room.LoginAsync(new StreamPosition(7, 0), new StreamPosition(8, 3));
        await first.PushAsync("m1", 1);
        await first.PushAsync("m2", 2);
        await Waiting.Until(() => _sink.Payloads.Length == 2, "two messages");
        first.Dispose();

        var (second, login) = await _room.LoginAsync(new StreamPosition(7, 0), new StreamPosition(8, 3));
        using (second)
        {
            Assert.Equal(new StreamPosition(7, 2), login.Bindings[0].Mailbox);
            Assert.Equal(new StreamPosition(8, 3), login.Bindings[0].Broadcast);
            await second.PushAsync("m2", 2);
            await second.PushAsync("m3", 3);
            await Waiting.Until(() => _sink.Payloads.Length == 3, "the third message");
            Assert.Equal(["m1", "m2", "m3"], _sink.Payloads);
            Assert.Equal((1, 2), (Stats.Disconnects, Stats.Logins));
        }
    }

    [Fact]
    public async Task A_reset_moves_the_stream_and_is_told_with_what_it_skips()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 5), ackDelay: 0);
        using (connection)
        {
            await connection.WriteAsync(output => new ResetMessage(0, StreamKind.Mailbox, 1, 9, ResetReason.Overflow).Write(output));
            await connection.PushAsync("m9", 9);
            Assert.Equal(9, (await connection.ReadAckAsync()).Seq);
            await connection.WriteAsync(output => new ResetMessage(0, StreamKind.Mailbox, 2, 1, ResetReason.DataLoss).Write(output));
            await connection.PushAsync("n1", 1);
            Assert.Equal(new AckMessage(0, StreamKind.Mailbox, 2, 1), await connection.ReadAckAsync());
            Assert.Equal([(ResetReason.Overflow, 3L), (ResetReason.DataLoss, 0L)], _sink.Resets);
            Assert.Equal(0, Stats.Gaps);
        }
    }

    [Fact]
    public async Task A_gap_without_a_reset_is_counted()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0));
        using (connection)
        {
            await connection.PushAsync("m1", 1);
            await connection.PushAsync("m3", 3);
            await Waiting.Until(() => _sink.Payloads.Length == 2, "both messages");
            Assert.Equal(1, Stats.Gaps);
        }
    }

    [Fact]
    public async Task Transient_messages_are_handed_on_and_not_acknowledged()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(new StreamPosition(1, 0), ackDelay: 0);
        using (connection)
        {
            await connection.WriteAsync(output => new PushMessage { AppIndex = 0, Transient = true, Payload = "now"u8 }.Write(output));
            await connection.PushAsync("m1", 1);
            Assert.Equal(1, (await connection.ReadAckAsync()).Seq);
            Assert.Equal(["now", "m1"], _sink.Payloads);
            Assert.Equal(1, Stats.Acks);
        }
    }

    [Fact]
    public async Task Pings_follow_the_interval_of_the_server()
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync(heartbeat: 1);
        using (connection)
        {
            for (var i = 0; i < 2; i++)
            {
                Assert.Equal(Opcode.Ping, (await connection.ReadAsync("PING")).Opcode);
                await connection.WriteAsync(output => default(PongMessage).Write(output));
            }
            await Waiting.Until(() => Stats.Pongs == 2, "the second PONG is counted");
        }
    }

    [Theory]
    [InlineData(ReasonCode.Kicked)]
    [InlineData(ReasonCode.TicketInvalid)]
    public async Task A_client_that_is_told_to_stay_away_does_not_return(ReasonCode reason)
    {
        await StartAsync();
        var (connection, _) = await _room.LoginAsync();
        using (connection)
        {
            await Online(1);
            await connection.WriteAsync(output => new GoAwayMessage(reason, null, ReconnectAdvice.Stay, 0, []).Write(output));
            Assert.True(await connection.ClosedAsync());
            await Waiting.Until(() => Stats.Ended == 1, "the end is counted");
            Assert.Equal((0, 1), (Stats.Online, Stats.Connects));
            Assert.Equal(1, Stats.Reasons[$"GOAWAY {reason}"]);
        }
    }

    [Fact]
    public async Task A_refused_binding_is_a_login_failure_with_its_reason()
    {
        await StartAsync();
        using var connection = await _room.AcceptAsync();
        await connection.ReadLoginAsync();
        await connection.WriteAsync(output => new LoginOkMessage(ScriptedConnection.Settings(1, 1, 60),
            [new BindResult(ReasonCode.AppUnknown, 0, default, default)]).Write(output));
        Assert.True(await connection.ClosedAsync());
        await Waiting.Until(() => Stats.Ended == 1, "the end is counted");
        Assert.Equal(1, Stats.LoginFailures);
        Assert.Equal(1, Stats.Reasons["binding refused: AppUnknown"]);
    }

    [Fact]
    public async Task Bytes_that_are_not_the_protocol_end_the_connection()
    {
        await StartAsync(settings => settings with { Reconnect = false });
        using var connection = await _room.AcceptAsync();
        await connection.ReadLoginAsync();
        await connection.WriteAsync(output => output.Write<byte>([0x80, 0x00]));
        Assert.True(await connection.ClosedAsync());
        await Waiting.Until(() => Stats.Ended == 1, "the end is counted");
    }

    [Fact]
    public async Task A_server_that_does_not_answer_the_login_is_left_after_the_timeout()
    {
        await StartAsync(settings => settings with { LoginTimeoutMilliseconds = 200, Reconnect = false });
        using var connection = await _room.AcceptAsync();
        await connection.ReadLoginAsync();
        Assert.True(await connection.ClosedAsync());
        await Waiting.Until(() => Stats.Reasons.ContainsKey("login: timeout"), "the timeout is counted");
    }

    [Fact]
    public async Task A_refused_connection_is_counted_and_tried_again()
    {
        _room.Dispose();
        await StartAsync();
        await Waiting.Until(() => Stats.LoginFailures >= 2, "two failures");
        Assert.True(Stats.Reasons["connect: ConnectionRefused"] >= 2);
        Assert.Null(_fleet!.Loops[0].Fault);
    }

    [Fact]
    public async Task A_thousand_clients_of_two_loops_and_two_local_addresses_come_online()
    {
        await StartAsync(settings => settings with
        {
            Clients = 1_000,
            Loops = 2,
            Sources = [System.Net.IPAddress.Parse("127.0.0.2"), System.Net.IPAddress.Parse("127.0.0.3")],
        });
        var connections = new List<ScriptedConnection>();
        var users = new HashSet<string>();
        for (var i = 0; i < 1_000; i++)
        {
            var (connection, login) = await _room.LoginAsync(new StreamPosition(1, 0));
            connections.Add(connection);
            Assert.True(users.Add(login.Bindings[0].User));
        }
        Assert.True(await _fleet!.WaitOnlineAsync(Waiting.Limit, CancellationToken.None));
        foreach (var connection in connections)
            await connection.PushAsync("m1", 1);
        await Waiting.Until(() => _sink.Payloads.Length == 1_000, "a message to each");
        connections.ForEach(connection => connection.Dispose());
    }

    [Fact]
    public async Task The_portable_poller_serves_clients_too()
    {
        using var poller = new SelectPoller();
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp) { Blocking = false };
        Assert.Equal(System.Net.Sockets.SocketError.Success, poller.Connect(socket, (System.Net.IPEndPoint)listener.LocalEndpoint));
        poller.Add(socket, 42, writable: true);
        var events = new PollEvent[4];
        await Waiting.Until(() => poller.Wait(events, 10) == 1, "connected");
        Assert.Equal((42UL, true), (events[0].Token, events[0].Writable));
        poller.Change(socket, 43, writable: false);
        Assert.Equal(0, poller.Wait(events, 1));
        using var accepted = await listener.AcceptSocketAsync();
        await accepted.SendAsync(new byte[] { 1 });
        await Waiting.Until(() => poller.Wait(events, 10) == 1, "readable");
        Assert.Equal(new PollEvent(43, true, false), events[0]);
        poller.Remove(socket);
        Assert.Equal(0, poller.Wait(events, 1));
    }

    private LoopStats Stats => _fleet!.Loops[0].Stats;

    private async Task StartAsync(Func<ClientSettings, ClientSettings>? change = null)
    {
        var settings = new ClientSettings { App = "shop", Clients = 1, Rooms = [_room.EndPoint], Offset = 5 };
        _fleet = new ClientFleet(change?.Invoke(settings) ?? settings, _sink, number => Encoding.UTF8.GetBytes($"ticket-{number}"), TimeProvider.System);
        await _fleet.StartAllAsync(0, CancellationToken.None);
    }

    private Task Online(long count) => Waiting.Until(() => _fleet!.Sum(stats => Volatile.Read(ref stats.Online)) == count, "clients come online");

    private sealed class Recorder : IPushSink
    {
        private readonly ConcurrentQueue<string> _payloads = new();
        private readonly ConcurrentQueue<(ResetReason, long)> _resets = new();

        public string[] Payloads => [.. _payloads];

        public (ResetReason, long)[] Resets => [.. _resets];

        public void Received(int loop, VirtualClient client, in PushMessage push, long now) => _payloads.Enqueue(Encoding.UTF8.GetString(push.Payload));

        public void Reset(int loop, VirtualClient client, in ResetMessage reset, long skipped) => _resets.Enqueue((reset.Reason, skipped));
    }
}
