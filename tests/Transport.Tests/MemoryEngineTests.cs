using System.Buffers;
using PushSystem.Transport.Memory;

namespace PushSystem.Transport.Tests;

/// <summary>Orders of events that only manual turns can bring about at will, and the in-memory client itself.</summary>
public sealed class MemoryEngineTests
{
    [Fact]
    public async Task Nothing_happens_outside_of_RunUntilIdle()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        await harness.StartAsync();
        var client = harness.Memory.Connect();
        client.Send(new byte[10]);
        harness.Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(harness.Handler.AcceptedConnections);
        Assert.Equal(0, harness.Handler.Ticks);
        harness.Memory.RunUntilIdle();
        Assert.Single(harness.Handler.AcceptedConnections);
        // Ticks that were missed come as one.
        Assert.Equal(1, harness.Handler.Ticks);
    }

    [Fact]
    public async Task Input_that_waits_comes_before_the_end_that_arrives_in_the_same_turn_as_the_resume()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        long received = 0;
        await harness.StartAsync(handler => handler.OnReceived = (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) =>
        {
            received += input.Length;
            input = input.Slice(input.End);
        });
        var client = harness.Memory.Connect();
        harness.Memory.RunUntilIdle();
        var connection = harness.Handler.AcceptedConnections[0];
        harness.Shard.Post(shard => shard.PauseReceive(connection), harness.Shard);
        client.Send(new byte[300]);
        harness.Memory.RunUntilIdle();
        harness.Shard.Post(shard => shard.ResumeReceive(connection), harness.Shard);
        client.Close();
        harness.Memory.RunUntilIdle();
        Assert.Equal(300, received);
        Assert.Equal([(connection, CloseCause.PeerClosed)], harness.Handler.ClosedConnections);
    }

    [Fact]
    public async Task Output_of_one_turn_is_one_write_per_connection()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        await harness.StartAsync();
        var client = harness.Memory.Connect();
        harness.Memory.RunUntilIdle();
        var connection = harness.Handler.AcceptedConnections[0];
        var unread = new List<int>();
        for (var count = 0; count < 5; count++)
        {
            harness.Shard.Post(
                shard =>
                {
                    shard.Send(connection, new byte[100]);
                    unread.Add(client.Unread);
                },
                harness.Shard);
        }
        harness.Memory.RunUntilIdle();
        Assert.All(unread, static bytes => Assert.Equal(0, bytes));
        Assert.Equal(500, client.TakeReceived().Length);
        Assert.Empty(client.TakeReceived());
    }

    [Fact]
    public async Task Client_that_stops_reading_makes_the_engine_wait()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        await harness.StartAsync();
        var client = harness.Memory.Connect();
        harness.Memory.RunUntilIdle();
        var connection = harness.Handler.AcceptedConnections[0];
        client.StopReading(capacity: 30);
        harness.Shard.Post(shard => shard.Send(connection, new byte[100]), harness.Shard);
        harness.Memory.RunUntilIdle();
        Assert.Equal(30, client.Unread);
        Assert.Equal(70, harness.Core.QueuedOutput);
        Assert.Equal(30, client.TakeReceived().Length);
        harness.Memory.RunUntilIdle();
        Assert.Equal(30, client.Unread);
        client.ContinueReading();
        harness.Memory.RunUntilIdle();
        Assert.Equal(70, client.TakeReceived().Length);
        Assert.Equal([connection], harness.Handler.DrainedConnections);
    }

    [Fact]
    public async Task Connections_are_spread_and_a_shard_can_be_chosen()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        harness.Options.Shards = 3;
        await harness.StartAsync();
        for (var count = 0; count < 6; count++)
            harness.Memory.Connect();
        harness.Memory.Connect(shard: 2);
        harness.Memory.RunUntilIdle();
        Assert.Equal([2, 2, 3], harness.Engine.Shards.Select(static shard => shard.ConnectionCount));
    }

    [Fact]
    public async Task Thousands_of_deadlines_and_closes_at_a_time_are_all_worked_off()
    {
        const int Count = 2_500;
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        await harness.StartAsync(static handler => handler.OnAccepted = static (shard, connection) => shard.SetDeadline(connection, shard.Now + 1_000));
        for (var count = 0; count < Count; count++)
            harness.Memory.Connect();
        harness.Memory.RunUntilIdle();
        harness.Clock.Advance(TimeSpan.FromSeconds(1));
        harness.Memory.RunUntilIdle();
        Assert.Equal(Count, harness.Handler.ExpiredConnections.Select(static expired => expired.Connection).Distinct().Count());
        Assert.Equal(1, harness.Handler.Ticks);
        await harness.Engine.DisposeAsync();
        Assert.Equal(Count, harness.Handler.ClosedConnections.Count(static closed => closed.Cause == CloseCause.Shutdown));
    }

    [Fact]
    public async Task Refused_client_is_closed_at_once()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        Assert.True(harness.Memory.Connect().IsClosed);
        await harness.StartAsync();
        Assert.False(harness.Memory.Connect().IsClosed);
        harness.Memory.RunUntilIdle();
    }
}
