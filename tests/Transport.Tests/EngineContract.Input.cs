using System.Buffers;

namespace PushSystem.Transport.Tests;

public abstract partial class EngineContract
{
    [Fact]
    public async Task Echo_returns_what_was_sent()
    {
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        var peer = await harness.ConnectAsync();
        for (var round = 0; round < 50; round++)
        {
            var bytes = Pattern(1 + round * 7, round);
            await peer.SendAsync(bytes);
            Assert.Equal(bytes, await harness.For(peer.ReadAsync(bytes.Length), "echo"));
        }
    }

    [Fact]
    public async Task Large_input_arrives_whole_and_in_order()
    {
        await using var harness = NewHarness();
        var received = new ArrayBufferWriter<byte>();
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => Take(received, ref input, input.Length));
        var peer = await harness.ConnectAsync();
        var bytes = Pattern(1_000_000);
        var sending = peer.SendAsync(bytes);
        await harness.Until(() => received.WrittenCount == bytes.Length, "input");
        await sending;
        Assert.Equal(bytes, received.WrittenSpan.ToArray());
    }

    [Fact]
    public async Task Partial_frames_are_kept_and_hold_a_queue_only_meanwhile()
    {
        const int Frame = 10;
        await using var harness = NewHarness();
        var received = new ArrayBufferWriter<byte>();
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => Take(received, ref input, input.Length / Frame * Frame));
        var peer = await harness.ConnectAsync();
        var bytes = Pattern(4 * Frame);
        await peer.SendAsync(bytes.AsMemory(0, 25));
        await harness.Until(() => received.WrittenCount == 20, "two frames");
        await harness.Until(() => harness.Core.RentedQueues == 1, "the rest of the third is kept");
        await peer.SendAsync(bytes.AsMemory(25, 1));
        await peer.SendAsync(bytes.AsMemory(26));
        await harness.Until(() => received.WrittenCount == bytes.Length, "all frames");
        await harness.Until(() => harness.Core.RentedQueues == 0, "nothing is kept");
        Assert.Equal(bytes, received.WrittenSpan.ToArray());
    }

    [Fact]
    public async Task Frames_that_arrive_byte_by_byte_are_put_together()
    {
        const int Frame = 9_000;
        await using var harness = NewHarness();
        var received = new ArrayBufferWriter<byte>();
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => Take(received, ref input, input.Length / Frame * Frame));
        var peer = await harness.ConnectAsync();
        var bytes = Pattern(2 * Frame);
        for (var at = 0; at < bytes.Length; at += at % 3 == 0 ? 1 : 700)
            await peer.SendAsync(bytes.AsMemory(at, Math.Min(at % 3 == 0 ? 1 : 700, bytes.Length - at)));
        await harness.Until(() => received.WrittenCount == bytes.Length, "all frames");
        Assert.Equal(bytes, received.WrittenSpan.ToArray());
    }

    [Fact]
    public async Task Paused_connection_receives_nothing_until_it_is_resumed()
    {
        await using var harness = NewHarness();
        var received = new ArrayBufferWriter<byte>();
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => Take(received, ref input, input.Length));
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard => shard.PauseReceive(connection));
        await peer.SendAsync(Pattern(100));
        await harness.Until(() => harness.Core.RentedQueues == 1, "input waits");
        Assert.Equal(0, received.WrittenCount);
        await harness.OnTurn(shard => shard.ResumeReceive(connection));
        await harness.Until(() => received.WrittenCount == 100, "input after resume");
        await peer.SendAsync(Pattern(100));
        await harness.Until(() => received.WrittenCount == 200, "input goes on");
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Input_of_a_paused_connection_is_bounded_and_nothing_is_lost()
    {
        await using var harness = NewHarness();
        harness.Options.MaxInputBytes = 20_000;
        var received = new ArrayBufferWriter<byte>();
        long longest = 0;
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard shard, ConnectionRef connection, ref ReadOnlySequence<byte> input) =>
        {
            longest = Math.Max(longest, input.Length);
            Take(received, ref input, input.Length);
            // A handler that takes its time after every piece.
            shard.PauseReceive(connection);
            shard.Post(static at => at.shard.ResumeReceive(at.connection), (shard, connection));
        });
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard => shard.PauseReceive(connection));
        var bytes = Pattern(3_000_000);
        var sending = peer.SendAsync(bytes);
        await harness.Until(() => harness.Core.RentedQueues == 1, "input waits");
        await harness.OnTurn(shard => shard.ResumeReceive(connection));
        await harness.Until(() => received.WrittenCount == bytes.Length, "all input");
        await sending;
        Assert.Equal(bytes, received.WrittenSpan.ToArray());
        Assert.InRange(longest, 1, 20_000);
    }

    [Fact]
    public async Task Input_without_a_frame_up_to_the_limit_closes_with_protocol_error()
    {
        await using var harness = NewHarness();
        harness.Options.MaxInputBytes = 16_384;
        await harness.StartAsync(static handler => handler.OnReceived = static (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> _) => { });
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await peer.SendAsync(Pattern(16_384));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal((connection, CloseCause.ProtocolError), harness.Handler.ClosedConnections[0]);
        Assert.Contains(harness.Loggers.Warnings, static text => text.Contains("Transport:MaxInputBytes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Input_sent_before_the_peer_ended_is_handed_over_after_a_pause()
    {
        await using var harness = NewHarness();
        var received = new ArrayBufferWriter<byte>();
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => Take(received, ref input, input.Length));
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard => shard.PauseReceive(connection));
        await peer.SendAsync(Pattern(300));
        await harness.Until(() => harness.Core.RentedQueues == 1, "input waits");
        peer.Close();
        await harness.OnTurn(static _ => { });
        Assert.Equal(0, received.WrittenCount);
        await harness.OnTurn(shard => shard.ResumeReceive(connection));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal((connection, CloseCause.PeerClosed), harness.Handler.ClosedConnections[0]);
        Assert.Equal(300, received.WrittenCount);
    }

    [Fact]
    public async Task Idle_connections_hold_no_queue_and_no_buffer()
    {
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        var peers = new List<IPeer>();
        for (var count = 0; count < 200; count++)
            peers.Add(await harness.ConnectAsync());
        foreach (var peer in peers)
            await peer.SendAsync(Pattern(64));
        foreach (var peer in peers)
            Assert.Equal(Pattern(64), await harness.For(peer.ReadAsync(64), "echo"));
        await harness.UntilNothingIsRented();
        Assert.Equal(200, harness.Shard.ConnectionCount);
    }

    private static void Echo(ITransportShard shard, ConnectionRef connection, ref ReadOnlySequence<byte> input)
    {
        foreach (var segment in input)
            Assert.Equal(SendStatus.Accepted, shard.Send(connection, segment.Span));
        input = input.Slice(input.End);
    }

    private static void Take(ArrayBufferWriter<byte> received, ref ReadOnlySequence<byte> input, long count)
    {
        // One write, so that a waiting test never sees a part.
        received.Write(input.Slice(0, count).ToArray());
        input = input.Slice(count);
    }
}
