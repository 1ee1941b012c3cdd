using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using PushSystem.TestSupport;

namespace PushSystem.Transport.Tests;

public abstract partial class EngineContract
{
    [Fact]
    public async Task Deadline_fires_at_its_time_rounded_up_to_the_tick_and_not_before()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (_, connection) = await harness.ConnectAndFindAsync();
        var deadline = await harness.OnTurn(shard =>
        {
            shard.SetDeadline(connection, shard.Now + 1_050);
            return shard.Now + 1_050;
        });
        for (var step = 0; step < 10; step++)
            await harness.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Empty(harness.Handler.ExpiredConnections);
        await harness.Advance(TimeSpan.FromMilliseconds(200));
        var (expired, now) = Assert.Single(harness.Handler.ExpiredConnections);
        Assert.Equal(connection, expired);
        Assert.InRange(now, deadline, deadline + 200);
        await harness.Advance(TimeSpan.FromSeconds(10));
        Assert.Single(harness.Handler.ExpiredConnections);
        Assert.True(harness.Handler.Ticks > 0);
    }

    [Fact]
    public async Task Deadline_moves_later_and_earlier_and_can_be_taken_away()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (_, connection) = await harness.ConnectAndFindAsync();
        for (var beat = 0; beat < 20; beat++)
        {
            await harness.OnTurn(shard => shard.SetDeadline(connection, shard.Now + 1_000));
            await harness.Advance(TimeSpan.FromMilliseconds(900));
        }
        Assert.Empty(harness.Handler.ExpiredConnections);
        await harness.OnTurn(shard => shard.SetDeadline(connection, long.MaxValue));
        await harness.Advance(TimeSpan.FromSeconds(30));
        Assert.Empty(harness.Handler.ExpiredConnections);
        await harness.OnTurn(shard => shard.SetDeadline(connection, shard.Now + 600_000));
        await harness.OnTurn(shard => shard.SetDeadline(connection, shard.Now + 200));
        await harness.Advance(TimeSpan.FromMilliseconds(500));
        Assert.Single(harness.Handler.ExpiredConnections);
    }

    [Fact]
    public async Task Deadline_of_a_closed_connection_never_fires_for_the_next_owner()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (_, first) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard =>
        {
            shard.SetDeadline(first, shard.Now + 500);
            shard.Close(first, CloseCause.Requested);
            shard.SetDeadline(first, shard.Now + 100);
        });
        var (_, second) = await harness.ConnectAndFindAsync();
        Assert.Equal(first.Slot, second.Slot);
        await harness.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty(harness.Handler.ExpiredConnections);
    }

    [Fact]
    public async Task Handler_sets_its_next_deadline_in_Expired()
    {
        await using var harness = NewHarness();
        // A deadline in the past must wait for the next tick instead of keeping the turn busy for ever.
        await harness.StartAsync(static handler => handler.OnExpired = static (shard, connection) => shard.SetDeadline(connection, shard.Now - 1));
        var (_, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard => shard.SetDeadline(connection, shard.Now + 100));
        for (var step = 0; step < 10; step++)
            await harness.Advance(TimeSpan.FromMilliseconds(100));
        Assert.InRange(harness.Handler.ExpiredConnections.Length, 8, 10);
    }

    [Fact]
    public async Task Posts_of_each_thread_run_in_order_and_never_two_at_a_time()
    {
        const int Threads = 4;
        const int PerThread = 20_000;
        await using var harness = NewHarness();
        await harness.StartAsync();
        var seen = new int[Threads];
        var running = 0;
        var wrong = 0;
        var posting = Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            for (var number = 0; number < PerThread; number++)
            {
                harness.Shard.Post(
                    one =>
                    {
                        if (Interlocked.Increment(ref running) != 1 || seen[one.thread] != one.number)
                            wrong++;
                        seen[one.thread] = one.number + 1;
                        Interlocked.Decrement(ref running);
                    },
                    (thread, number));
            }
        })).ToArray();
        await Waiting.For(Task.WhenAll(posting), "posting");
        await harness.OnTurn(static _ => { });
        Assert.Equal(0, wrong);
        Assert.All(seen, static count => Assert.Equal(PerThread, count));
    }

    [Fact]
    public async Task Post_that_throws_is_logged_and_the_shard_goes_on()
    {
        await using var harness = NewHarness();
        harness.ExpectsErrors = true;
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        Assert.True(harness.Shard.Post(static _ => throw new InvalidOperationException("provoked"), 0));
        var peer = await harness.ConnectAsync();
        await peer.SendAsync(Pattern(10));
        Assert.Equal(Pattern(10), await harness.For(peer.ReadAsync(10), "echo"));
        Assert.Single(harness.Loggers.Errors);
    }

    [Fact]
    public async Task What_is_sent_at_the_end_of_a_turn_leaves_with_it()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        var once = 1;
        harness.Handler.OnTurnEnded = shard =>
        {
            if (Interlocked.Exchange(ref once, 0) == 1)
                shard.Send(connection, Pattern(33));
        };
        await harness.OnTurn(static _ => { });
        Assert.Equal(Pattern(33), await harness.For(peer.ReadAsync(33), "output"));
    }

    [Fact]
    public async Task Members_used_outside_of_the_turn_are_caught_in_debug_builds()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (_, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(static _ => { });
#if DEBUG
        Assert.Throws<InvalidOperationException>(() => harness.Shard.Send(connection, Pattern(1)));
#endif
        Assert.Equal(1, harness.Shard.ConnectionCount);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Random_traffic_keeps_every_byte_in_order(int seed)
    {
        const int Peers = 24;
        const int BytesPerPeer = 400_000;
        await using var harness = NewHarness();
        harness.Options.Shards = 2;
        harness.Options.MaxOutputBytes = 48 * 1024;
        harness.Options.MaxInputBytes = 20_000;
        // Each shard's state is its own: both use the same hooks, keyed by shard and connection.
        var owed = new ConcurrentDictionary<(int Shard, ConnectionRef Connection), ArrayBufferWriter<byte>>();
        await harness.StartAsync(handler =>
        {
            var random = new Random(seed + handler.Shard.Index);
            handler.OnReceived = (ITransportShard shard, ConnectionRef connection, ref ReadOnlySequence<byte> input) =>
            {
                var backlog = owed.GetOrAdd((shard.Index, connection), static _ => new ArrayBufferWriter<byte>());
                var take = input.Length > 3 && random.Next(3) == 0 ? input.Length - random.Next(3) : input.Length;
                backlog.Write(input.Slice(0, take).ToArray());
                input = input.Slice(take);
                Repay(shard, connection, backlog, random);
                if (!input.IsEmpty || backlog.WrittenCount > 0 || random.Next(4) == 0)
                {
                    shard.PauseReceive(connection);
                    if (backlog.WrittenCount == 0)
                        shard.Post(static at => at.shard.ResumeReceive(at.connection), (shard, connection));
                }
            };
            handler.OnDrained = (shard, connection) =>
            {
                if (owed.TryGetValue((shard.Index, connection), out var backlog))
                    Repay(shard, connection, backlog, random);
                if (backlog is null || backlog.WrittenCount == 0)
                    shard.ResumeReceive(connection);
            };
        });
        var running = Enumerable.Range(0, Peers).Select(async number =>
        {
            var peer = await harness.ConnectAsync();
            var bytes = Pattern(BytesPerPeer, seed * 1000 + number);
            var sending = SendSlowlyAsync(peer, bytes, new Random(number));
            var echoed = await peer.ReadAsync(BytesPerPeer);
            await sending;
            return Convert.ToHexString(SHA256.HashData(bytes)) == Convert.ToHexString(SHA256.HashData(echoed));
        }).ToArray();
        var equal = await harness.For(Task.WhenAll(running), "random traffic");
        Assert.All(equal, Assert.True);
        await harness.UntilNothingIsRented();

        // When the limit is reached the rest waits for Drained, which is certain to come because output waits.
        static void Repay(ITransportShard shard, ConnectionRef connection, ArrayBufferWriter<byte> backlog, Random random)
        {
            var bytes = backlog.WrittenSpan;
            while (!bytes.IsEmpty)
            {
                var count = Math.Min(bytes.Length, 1 + random.Next(9_000));
                var status = random.Next(2) == 0 ? shard.Send(connection, bytes[..count]) : shard.SendShared(connection, bytes[..count].ToArray());
                if (status != SendStatus.Accepted)
                    break;
                bytes = bytes[count..];
            }
            var rest = bytes.ToArray();
            backlog.ResetWrittenCount();
            backlog.Write(rest);
        }

        static async Task SendSlowlyAsync(IPeer peer, byte[] bytes, Random random)
        {
            for (var sent = 0; sent < bytes.Length;)
            {
                var count = Math.Min(bytes.Length - sent, 1 + random.Next(20_000));
                await peer.SendAsync(bytes.AsMemory(sent, count));
                sent += count;
                await Task.Yield();
            }
        }
    }
}
