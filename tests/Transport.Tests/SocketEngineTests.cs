using System.Net;
using System.Net.Sockets;
using PushSystem.TestSupport;
using PushSystem.Transport.Shards;
using PushSystem.Transport.Sockets;

namespace PushSystem.Transport.Tests;

/// <summary>What only real sockets can show.</summary>
public sealed class SocketEngineTests
{
    [Fact]
    public async Task Every_end_point_is_listened_on_and_told_with_its_real_port()
    {
        await using var harness = new SocketHarness();
        harness.Options.EndPoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        await harness.StartAsync();
        Assert.Equal(2, harness.Engine.EndPoints.Count);
        foreach (var endPoint in harness.Engine.EndPoints)
        {
            Assert.NotEqual(0, endPoint.Port);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endPoint);
            await harness.Until(() => harness.Handler.AcceptedConnections.Length > 0, "accept");
            await harness.Until(() => harness.Core.Connections == 1, "one connection");
            Assert.Equal(socket.LocalEndPoint, await harness.OnTurn(shard => shard.RemoteEndPoint(harness.Handler.AcceptedConnections[^1])));
            socket.Dispose();
            await harness.Until(() => harness.Core.Connections == 0, "closed");
        }
    }

    [Fact]
    public async Task Taken_address_fails_the_start_with_the_address_and_leaves_nothing_listening()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        var address = (IPEndPoint)taken.LocalEndPoint!;
        await using var harness = new SocketHarness();
        harness.Options.EndPoints.Add(address);
        var exception = await Assert.ThrowsAsync<IOException>(() => harness.StartAsync());
        Assert.Contains(address.ToString(), exception.Message, StringComparison.Ordinal);
        Assert.Empty(harness.Engine.EndPoints);
    }

    [Fact]
    public async Task Accept_loop_survives_bad_sockets_and_waits_when_resources_are_short()
    {
        var clock = new FakeClock();
        using var loggers = new RecordingLoggers();
        await using var core = new EngineCore(new TransportOptions { Shards = 1 }, loggers, clock, "test", inline: false);
        using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        var errors = new Queue<SocketError>([SocketError.ConnectionAborted, SocketError.TooManyOpenSockets, SocketError.TooManyOpenSockets, SocketError.ConnectionReset]);
        var attempts = 0;
        var accepted = new TaskCompletionSource<AcceptedSocket>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var listener = new ConnectionListener(
            listening,
            stopping =>
            {
                Interlocked.Increment(ref attempts);
                return errors.TryDequeue(out var error) ? throw new SocketException((int)error) : listening.AcceptAsync(stopping);
            },
            accepted.SetResult,
            core,
            clock);
        listener.Start();
        // The second attempt follows at once, the third only after a wait.
        await Waiting.Until(() => loggers.Warnings.Count == 1, "the first wait");
        Assert.Equal(2, Volatile.Read(ref attempts));
        clock.Advance(TimeSpan.FromMilliseconds(10));
        await Waiting.Until(() => loggers.Warnings.Count == 2, "the second wait");
        Assert.Equal(3, Volatile.Read(ref attempts));
        // It is longer than the first.
        clock.Advance(TimeSpan.FromMilliseconds(10));
        Assert.Equal(3, Volatile.Read(ref attempts));
        clock.Advance(TimeSpan.FromMilliseconds(10));

        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        var (socket, remote) = await Waiting.For(accepted.Task, "accept");
        using (socket)
        {
            Assert.Equal(client.LocalEndPoint, remote);
            Assert.True(socket.NoDelay);
            Assert.False(socket.Blocking);
        }
        Assert.Empty(loggers.Errors);
    }

    [Theory]
    [InlineData("Max open files            1024                 524288               files", 1_000_000, 922)]
    [InlineData("Max open files            20000                20000                files", 1_000_000, 19_000)]
    [InlineData("Max open files            20000                20000                files", 500, 500)]
    [InlineData("Max open files            64                   64                   files", 500, 1)]
    [InlineData("Max open files            unlimited            unlimited            files", 500, 500)]
    [InlineData("Max core file size        0                    unlimited            bytes", 500, 500)]
    public void Connections_leave_descriptors_for_the_runtime(string line, int wanted, int allowed) =>
        Assert.Equal(allowed, DescriptorLimit.Allowed(wanted, ["Limit  Soft Limit  Hard Limit  Units", line]));

    [Fact]
    public async Task Dropped_output_ends_with_a_reset_and_not_with_an_orderly_end()
    {
        await using var harness = new SocketHarness();
        harness.Options.MaxOutputBytes = 32 * 1024 * 1024;
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard => shard.Send(connection, new byte[32 * 1024 * 1024]));
        await harness.OnTurn(shard => shard.Close(connection, CloseCause.Requested));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        await Assert.ThrowsAsync<SocketException>(() => Waiting.For(peer.ReadToEndAsync(), "reset"));
    }

    [Fact]
    public async Task Many_connections_live_at_a_time_and_are_closed_by_the_engine()
    {
        const int Count = 2_000;
        await using var harness = new SocketHarness();
        harness.Options.Shards = 2;
        await harness.StartAsync(static handler => handler.OnTurnEnded = null);
        var peers = new List<IPeer>();
        for (var count = 0; count < Count; count++)
            peers.Add(await harness.ConnectAsync());
        await harness.Until(() => harness.Engine.Shards.Sum(static shard => shard.ConnectionCount) == Count, "accepted");
        Assert.All(harness.Engine.Shards, static shard => Assert.Equal(Count / 2, shard.ConnectionCount));
        await harness.UntilNothingIsRented();
        foreach (var handler in harness.Handlers)
        {
            await harness.OnTurn(
                shard =>
                {
                    foreach (var connection in handler.AcceptedConnections)
                        shard.Close(connection, CloseCause.Requested);
                },
                handler.Shard);
        }
        foreach (var peer in peers)
            Assert.Equal(0, await harness.For(peer.ReadToEndAsync(), "end"));
        await harness.Until(() => harness.Core.Connections == 0, "closed");
    }
}
