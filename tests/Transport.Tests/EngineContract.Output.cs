using System.Buffers;

namespace PushSystem.Transport.Tests;

public abstract partial class EngineContract
{
    [Fact]
    public async Task Many_sends_of_one_turn_arrive_in_order()
    {
        await using var harness = NewHarness();
        harness.Options.MaxOutputBytes = 8 * 1024 * 1024;
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        // Pieces below, at and above the size up to which frames are coalesced, shared and not, in every succession.
        int[] lengths = [1, 100, 0, 4_095, 4_096, 1, 4_097, 50, 20_000, 3, 3, 3_000, 3_000];
        var random = new Random(7);
        var expected = new ArrayBufferWriter<byte>();
        await harness.OnTurn(shard =>
        {
            for (var count = 0; count < 400; count++)
            {
                var bytes = Pattern(lengths[random.Next(lengths.Length)], count);
                expected.Write(bytes);
                var status = random.Next(2) == 0 ? shard.Send(connection, bytes) : shard.SendShared(connection, bytes);
                Assert.Equal(SendStatus.Accepted, status);
            }
        });
        Assert.Equal(expected.WrittenSpan.ToArray(), await harness.For(peer.ReadAsync(expected.WrittenCount), "output"));
        await harness.UntilNothingIsRented();
        Assert.Equal(0, await harness.OnTurn(shard => shard.PendingBytes(connection)));
    }

    [Fact]
    public async Task Sends_to_many_connections_in_one_turn_all_arrive()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var peers = new List<IPeer>();
        for (var count = 0; count < 600; count++)
            peers.Add(await harness.ConnectAsync());
        await harness.Until(() => harness.Handler.AcceptedConnections.Length == peers.Count, "accepted");
        var shared = Pattern(500);
        await harness.OnTurn(shard =>
        {
            foreach (var connection in harness.Handler.AcceptedConnections)
            {
                Assert.Equal(SendStatus.Accepted, shard.SendShared(connection, shared));
                if (connection.Slot % 2 == 0)
                    Assert.Equal(SendStatus.Accepted, shard.Send(connection, shared));
            }
        });
        var arrived = 0;
        foreach (var peer in peers)
            Assert.Equal(shared, await harness.For(peer.ReadAsync(shared.Length), $"output {arrived++}"));
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Pending_bytes_are_exact_within_a_turn()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        var pending = await harness.OnTurn(shard =>
        {
            shard.Send(connection, Pattern(100));
            var first = shard.PendingBytes(connection);
            shard.SendShared(connection, Pattern(200));
            return (first, shard.PendingBytes(connection));
        });
        Assert.Equal((100, 300), pending);
        Assert.Equal(300, (await harness.For(peer.ReadAsync(300), "output")).Length);
        Assert.Equal(0, await harness.OnTurn(shard => shard.PendingBytes(connection)));
    }

    [Fact]
    public async Task Output_beyond_the_limit_is_refused_whole_and_drains_once()
    {
        await using var harness = NewHarness();
        harness.Options.MaxOutputBytes = 64 * 1024;
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        var sent = new ArrayBufferWriter<byte>();
        // In one turn, in which nothing of what waits can leave.
        await harness.OnTurn(shard =>
        {
            var bytes = Pattern(5_000);
            while (shard.Send(connection, bytes) is var status && status != SendStatus.Full)
            {
                Assert.Equal(SendStatus.Accepted, status);
                sent.Write(bytes);
                bytes = Pattern(5_000, sent.WrittenCount);
            }
            var pending = shard.PendingBytes(connection);
            Assert.InRange(pending, 64 * 1024 - 5_000 + 1, 64 * 1024);
            Assert.Equal(pending, harness.Core.QueuedOutput);
            Assert.Equal(SendStatus.Full, shard.SendShared(connection, bytes));
            Assert.Equal(pending, shard.PendingBytes(connection));
        });
        Assert.Empty(harness.Handler.DrainedConnections);

        peer.ContinueReading();
        var received = await harness.For(peer.ReadAsync(sent.WrittenCount), "output");
        Assert.Equal(sent.WrittenSpan.ToArray(), received);
        await harness.Until(() => harness.Handler.DrainedConnections.Length > 0, "drained");
        Assert.Equal([connection], harness.Handler.DrainedConnections);
        Assert.Equal(0, await harness.OnTurn(shard => shard.PendingBytes(connection)));
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task A_single_send_beyond_the_limit_is_refused_although_nothing_waits()
    {
        await using var harness = NewHarness();
        harness.Options.MaxOutputBytes = 8_192;
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        Assert.Equal(SendStatus.Full, await harness.OnTurn(shard => shard.Send(connection, new byte[8_193])));
        Assert.Equal(SendStatus.Full, await harness.OnTurn(shard => shard.SendShared(connection, new byte[8_193])));
        Assert.Equal(SendStatus.Accepted, await harness.OnTurn(shard => shard.Send(connection, Pattern(8_192))));
        Assert.Equal(Pattern(8_192), await harness.For(peer.ReadAsync(8_192), "output"));
    }

    [Fact]
    public async Task Output_of_all_connections_together_is_bounded()
    {
        await using var harness = NewHarness();
        harness.Options.MaxOutputBytes = 64 * 1024;
        harness.Options.MaxTotalOutputBytes = 100 * 1024;
        await harness.StartAsync();
        var (slow, first) = await harness.ConnectAndFindAsync();
        var (slower, second) = await harness.ConnectAndFindAsync();
        slow.StopReading();
        slower.StopReading();
        // In one turn, in which nothing of what waits can leave.
        await harness.OnTurn(shard =>
        {
            Fill(shard, first);
            Assert.InRange(shard.PendingBytes(first), 60 * 1024 + 1, 64 * 1024);
            Fill(shard, second);
            Assert.InRange(shard.PendingBytes(first) + shard.PendingBytes(second), 96 * 1024 + 1, 100 * 1024);
            shard.Close(first, CloseCause.SlowConsumer);
        });
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        await harness.OnTurn(shard =>
        {
            Assert.Equal(shard.PendingBytes(second), harness.Core.QueuedOutput);
            Assert.Equal(SendStatus.Accepted, shard.Send(second, new byte[4_096]));
        });

        static void Fill(ITransportShard shard, ConnectionRef connection)
        {
            var status = SendStatus.Accepted;
            while (status == SendStatus.Accepted)
                status = shard.Send(connection, new byte[4_096]);
            Assert.Equal(SendStatus.Full, status);
        }
    }

    [Fact]
    public async Task Slow_reader_gets_everything_in_order()
    {
        const int Total = 12_000_000;
        await using var harness = NewHarness();
        harness.Options.MaxOutputBytes = 128 * 1024;
        var bytes = Pattern(Total);
        var sent = 0;
        await harness.StartAsync(handler => handler.OnDrained = Fill);
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        while (harness.Core.RentedQueues == 0)
            await harness.OnTurn(shard => Fill(shard, connection));
        for (var read = 0; read < Total;)
        {
            var count = Math.Min(37_000, Total - read);
            var part = await harness.For(peer.ReadAsync(count), $"output after {read} bytes");
            Assert.True(part.AsSpan().SequenceEqual(bytes.AsSpan(read, count)), $"differs after {read} bytes");
            read += count;
            // Whatever left without having to wait is not followed by Drained.
            await harness.OnTurn(shard =>
            {
                if (shard.PendingBytes(connection) == 0)
                    Fill(shard, connection);
            });
        }
        await harness.UntilNothingIsRented();
        Assert.NotEmpty(harness.Handler.DrainedConnections);

        void Fill(ITransportShard shard, ConnectionRef to)
        {
            while (sent < Total)
            {
                var count = Math.Min(30_000, Total - sent);
                if (shard.Send(to, bytes.AsSpan(sent, count)) != SendStatus.Accepted)
                    return;
                sent += count;
            }
        }
    }

    [Fact]
    public async Task Sending_to_a_reset_connection_closes_it_once_and_is_answered_with_gone()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.Reset();
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal((connection, CloseCause.PeerReset), harness.Handler.ClosedConnections[0]);
        Assert.Equal(SendStatus.Gone, await harness.OnTurn(shard => shard.Send(connection, Pattern(10))));
    }
}
