using System.Buffers;

namespace PushSystem.Transport.Tests;

public abstract partial class EngineContract
{
    [Fact]
    public async Task Close_is_reported_exactly_once_with_its_first_cause()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard =>
        {
            shard.Close(connection, CloseCause.Requested);
            shard.Close(connection, CloseCause.Deadline);
            shard.Close(connection, CloseCause.ProtocolError, lingerMilliseconds: 100);
            Assert.Equal(SendStatus.Gone, shard.Send(connection, Pattern(1)));
        });
        Assert.Equal(0, await harness.For(peer.ReadToEndAsync(), "end"));
        peer.Close();
        await harness.OnTurn(shard => shard.Close(connection, CloseCause.Fault));
        Assert.Equal([(connection, CloseCause.Requested)], harness.Handler.ClosedConnections);
    }

    [Fact]
    public async Task Closed_follows_after_the_call_that_closed_has_returned()
    {
        await using var harness = NewHarness();
        var inReceived = false;
        var entered = false;
        await harness.StartAsync(handler =>
        {
            handler.OnReceived = (ITransportShard shard, ConnectionRef connection, ref ReadOnlySequence<byte> input) =>
            {
                inReceived = true;
                input = input.Slice(1);
                shard.Close(connection, CloseCause.Requested);
                inReceived = false;
            };
            handler.OnClosed = (_, _) => entered |= inReceived;
        });
        var (peer, _) = await harness.ConnectAndFindAsync();
        await peer.SendAsync(Pattern(10));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.False(entered);
    }

    [Fact]
    public async Task Peer_that_ends_is_reported_as_such()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.Close();
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal((connection, CloseCause.PeerClosed), harness.Handler.ClosedConnections[0]);
    }

    [Fact]
    public async Task Peer_that_ends_its_own_direction_still_gets_the_output_that_waits()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        var sent = await FillAsync(harness, connection);
        peer.Close();
        peer.ContinueReading();
        // In memory a client that has closed reads no more, but what waited must be off the engine's hands all the same.
        var read = await harness.For(peer.ReadToEndAsync(), "output and end");
        Assert.InRange(read, harness is SocketHarness ? sent : 0, sent);
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal((connection, CloseCause.PeerClosed), harness.Handler.ClosedConnections[0]);
    }

    [Fact]
    public async Task Closing_in_Accepted_refuses_the_connection()
    {
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnAccepted = static (shard, connection) => shard.Close(connection, CloseCause.Requested));
        var peer = await harness.ConnectAsync();
        Assert.Equal(0, await harness.For(peer.ReadToEndAsync(), "end"));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
    }

    [Fact]
    public async Task Stale_references_are_ignored_and_never_reach_the_next_owner_of_the_slot()
    {
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        var (first, stale) = await harness.ConnectAndFindAsync();
        first.Close();
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        var (second, current) = await harness.ConnectAndFindAsync();
        Assert.Equal(stale.Slot, current.Slot);
        Assert.NotEqual(stale.Generation, current.Generation);
        await harness.OnTurn(shard =>
        {
            Assert.Equal(SendStatus.Gone, shard.Send(stale, Pattern(10)));
            Assert.Equal(SendStatus.Gone, shard.SendShared(stale, Pattern(10)));
            Assert.Equal(0, shard.PendingBytes(stale));
            Assert.Null(shard.RemoteEndPoint(stale));
            Assert.NotNull(shard.RemoteEndPoint(current));
            shard.SetDeadline(stale, shard.Now);
            shard.PauseReceive(stale);
            shard.ResumeReceive(stale);
            shard.Close(stale, CloseCause.Requested);
            shard.Close(ConnectionRef.None, CloseCause.Requested);
            shard.Close(new ConnectionRef(1_000_000, 1), CloseCause.Requested);
        });
        await harness.Advance(TimeSpan.FromSeconds(1));
        await second.SendAsync(Pattern(10));
        Assert.Equal(Pattern(10), await harness.For(second.ReadAsync(10), "echo"));
        Assert.Empty(harness.Handler.ExpiredConnections);
    }

    [Fact]
    public async Task Lingering_close_lets_the_output_leave_first()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        var sent = await FillAsync(harness, connection);
        await harness.OnTurn(shard =>
        {
            shard.Close(connection, CloseCause.Requested, lingerMilliseconds: 10_000);
            Assert.Equal(SendStatus.Gone, shard.Send(connection, Pattern(1)));
        });
        Assert.Empty(harness.Handler.ClosedConnections);
        peer.ContinueReading();
        Assert.Equal(sent, await harness.For(peer.ReadToEndAsync(), "output and end"));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal([(connection, CloseCause.Requested)], harness.Handler.ClosedConnections);
        Assert.Empty(harness.Handler.DrainedConnections);
    }

    [Fact]
    public async Task Lingering_close_lets_the_last_frame_of_the_turn_leave()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard =>
        {
            shard.Send(connection, Pattern(50));
            shard.Close(connection, CloseCause.Requested, lingerMilliseconds: 1_000);
        });
        Assert.Equal(50, await harness.For(peer.ReadToEndAsync(), "output and end"));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
    }

    [Fact]
    public async Task Lingering_close_ends_after_its_time_when_the_peer_does_not_read()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        await FillAsync(harness, connection);
        await harness.OnTurn(shard => shard.Close(connection, CloseCause.Requested, lingerMilliseconds: 3_000));
        await harness.Advance(TimeSpan.FromMilliseconds(2_900));
        Assert.Empty(harness.Handler.ClosedConnections);
        await harness.Advance(TimeSpan.FromMilliseconds(300));
        Assert.Equal([(connection, CloseCause.Requested)], harness.Handler.ClosedConnections);
        Assert.Empty(harness.Handler.ExpiredConnections);
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Close_without_linger_drops_waiting_output_and_gives_everything_back()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        await FillAsync(harness, connection);
        await harness.OnTurn(shard => shard.Close(connection, CloseCause.SlowConsumer));
        await harness.Until(() => harness.Handler.ClosedConnections.Length > 0, "closed");
        Assert.Equal([(connection, CloseCause.SlowConsumer)], harness.Handler.ClosedConnections);
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Close_without_linger_still_offers_what_the_turn_has_gathered()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await harness.OnTurn(shard =>
        {
            shard.Send(connection, Pattern(70));
            shard.Close(connection, CloseCause.Requested);
        });
        Assert.Equal(70, await harness.For(peer.ReadToEndAsync(), "output and end"));
    }

    [Fact]
    public async Task Operations_that_end_late_never_reach_the_next_owner_of_the_slot()
    {
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        for (var round = 0; round < 60; round++)
        {
            var (old, first) = await harness.ConnectAndFindAsync();
            old.StopReading();
            await FillAsync(harness, first);
            // Its send and its receive still run when the slot gets its next owner.
            await harness.OnTurn(shard => shard.Close(first, round % 2 == 0 ? CloseCause.Requested : CloseCause.SlowConsumer));
            var (next, second) = await harness.ConnectAndFindAsync();
            Assert.Equal(first.Slot, second.Slot);
            var bytes = Pattern(1_000, round);
            await next.SendAsync(bytes);
            Assert.Equal(bytes, await harness.For(next.ReadAsync(bytes.Length), "echo"));
            Assert.Equal(0, await harness.OnTurn(shard => shard.PendingBytes(second)));
            next.Close();
            await harness.Until(() => harness.Core.Connections == 0, "closed");
        }
        Assert.Empty(harness.Handler.DrainedConnections);
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Peer_that_resets_is_reported_and_everything_is_given_back()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var (peer, connection) = await harness.ConnectAndFindAsync();
        peer.StopReading();
        await FillAsync(harness, connection);
        peer.Reset();
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal([(connection, CloseCause.PeerReset)], harness.Handler.ClosedConnections);
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Connections_that_come_and_go_leave_nothing_behind()
    {
        const int Rounds = 20;
        const int PerRound = 100;
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        var highestSlot = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var peers = new List<IPeer>();
            for (var count = 0; count < PerRound; count++)
                peers.Add(await harness.ConnectAsync());
            for (var count = 0; count < PerRound; count++)
                await peers[count].SendAsync(Pattern(10 + count));
            for (var count = 0; count < PerRound; count++)
                Assert.Equal(Pattern(10 + count), await harness.For(peers[count].ReadAsync(10 + count), "echo"));
            for (var count = 0; count < PerRound; count++)
            {
                if (count % 2 == 0)
                    peers[count].Close();
                else
                    peers[count].Reset();
            }
            await harness.Until(() => harness.Core.Connections == 0, $"round {round} closed");
            highestSlot = Math.Max(highestSlot, harness.Handler.AcceptedConnections.Max(static connection => connection.Slot));
        }
        Assert.Equal(0, harness.Shard.ConnectionCount);
        Assert.Equal(PerRound - 1, highestSlot);
        Assert.Equal(Rounds * PerRound, harness.Handler.ClosedConnections.Length);
        Assert.Equal(Rounds * PerRound, harness.Handler.ClosedConnections.Select(static closed => closed.Connection).Distinct().Count());
        await harness.UntilNothingIsRented();
    }

    [Fact]
    public async Task Connections_beyond_the_limit_are_refused_until_a_place_is_free()
    {
        await using var harness = NewHarness();
        harness.Options.MaxConnections = 2;
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        var (first, _) = await harness.ConnectAndFindAsync();
        var (second, _) = await harness.ConnectAndFindAsync();
        var refused = await harness.ConnectAsync();
        Assert.Equal(0, await harness.For(EndAsync(refused), "refusal"));
        first.Close();
        await harness.Until(() => harness.Core.Connections == 1, "a free place");
        var (third, _) = await harness.ConnectAndFindAsync();
        foreach (var peer in new[] { second, third })
        {
            await peer.SendAsync(Pattern(5));
            Assert.Equal(Pattern(5), await harness.For(peer.ReadAsync(5), "echo"));
        }
        Assert.Equal(3, harness.Handler.AcceptedConnections.Length);
        Assert.Contains(harness.Loggers.Warnings, static text => text.Contains("Transport:MaxConnections = 2", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Accepted")]
    [InlineData("Received")]
    [InlineData("Drained")]
    [InlineData("Expired")]
    public async Task Handler_that_throws_loses_that_connection_only(string member)
    {
        await using var harness = NewHarness();
        harness.ExpectsErrors = true;
        await harness.StartAsync();
        var (bystander, spared) = await harness.ConnectAndFindAsync();
        if (member == "Accepted")
            harness.Handler.OnAccepted = static (_, _) => throw new InvalidOperationException("provoked");
        var (peer, connection) = await harness.ConnectAndFindAsync();
        harness.Handler.OnAccepted = null;
        switch (member)
        {
            case "Received":
                harness.Handler.OnReceived = static (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> _) => throw new InvalidOperationException("provoked");
                await peer.SendAsync(Pattern(10));
                break;
            case "Drained":
                harness.Handler.OnDrained = static (_, _) => throw new InvalidOperationException("provoked");
                peer.StopReading();
                await FillAsync(harness, connection);
                peer.ContinueReading();
                _ = peer.ReadToEndAsync();
                break;
            case "Expired":
                harness.Handler.OnExpired = static (_, _) => throw new InvalidOperationException("provoked");
                await harness.OnTurn(shard => shard.SetDeadline(connection, shard.Now + 50));
                await harness.Advance(TimeSpan.FromMilliseconds(300));
                break;
        }
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal([(connection, CloseCause.Fault)], harness.Handler.ClosedConnections);
        Assert.Contains(harness.Loggers.Errors, text => text.Contains(member, StringComparison.Ordinal) && text.Contains("provoked", StringComparison.Ordinal));
        await harness.OnTurn(shard => shard.Send(spared, Pattern(20)));
        Assert.Equal(Pattern(20), await harness.For(bystander.ReadAsync(20), "bystander"));
    }

    [Fact]
    public async Task Handler_that_leaves_more_than_it_got_is_a_fault()
    {
        await using var harness = NewHarness();
        harness.ExpectsErrors = true;
        await harness.StartAsync(static handler => handler.OnReceived =
            static (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => input = new ReadOnlySequence<byte>(new byte[input.Length + 1]));
        var (peer, connection) = await harness.ConnectAndFindAsync();
        await peer.SendAsync(Pattern(10));
        await harness.Until(() => harness.Handler.ClosedConnections.Length == 1, "closed");
        Assert.Equal([(connection, CloseCause.Fault)], harness.Handler.ClosedConnections);
    }

    [Fact]
    public async Task Stopping_to_listen_keeps_connections_and_refuses_new_ones()
    {
        await using var harness = NewHarness();
        await harness.StartAsync(static handler => handler.OnReceived = Echo);
        var (peer, _) = await harness.ConnectAndFindAsync();
        await harness.Engine.StopListeningAsync();
        await harness.Engine.StopListeningAsync();
        await peer.SendAsync(Pattern(30));
        Assert.Equal(Pattern(30), await harness.For(peer.ReadAsync(30), "echo"));
        Assert.Equal(0, await harness.For(ConnectToEndAsync(), "refusal"));
        Assert.Single(harness.Handler.AcceptedConnections);

        async Task<long> ConnectToEndAsync()
        {
            try
            {
                return await EndAsync(await harness.ConnectAsync());
            }
            catch (System.Net.Sockets.SocketException)
            {
                return 0;
            }
        }
    }

    [Fact]
    public async Task Dispose_closes_each_live_connection_with_shutdown()
    {
        var harness = NewHarness();
        harness.Options.Shards = 3;
        await harness.StartAsync();
        var peers = new List<IPeer>();
        for (var count = 0; count < 60; count++)
            peers.Add(await harness.ConnectAsync());
        await harness.Until(() => harness.Handlers.Sum(static handler => handler.AcceptedConnections.Length) == 60, "accepted");
        Assert.All(harness.Handlers, static handler => Assert.Equal(20, handler.AcceptedConnections.Length));
        var slow = harness.Handler.AcceptedConnections[0];
        peers.ForEach(static peer => peer.StopReading());
        await FillAsync(harness, slow);
        await harness.OnTurn(shard => shard.Close(slow, CloseCause.Requested, lingerMilliseconds: 60_000));
        await harness.DisposeAsync();
        var closed = harness.Handlers.SelectMany(static handler => handler.ClosedConnections).ToList();
        Assert.Equal(60, closed.Count);
        Assert.Equal(59, closed.Count(static one => one.Cause == CloseCause.Shutdown));
        Assert.All(harness.Engine.Shards, static shard => Assert.False(shard.Post(static _ => { }, 0)));
        // Disposing twice is harmless.
        await harness.Engine.DisposeAsync();
    }

    [Fact]
    public async Task Peers_see_an_orderly_end_and_all_output_that_was_taken()
    {
        await using var harness = NewHarness();
        await harness.StartAsync();
        var ends = new List<Task<long>>();
        for (var count = 0; count < 50; count++)
        {
            var (peer, connection) = await harness.ConnectAndFindAsync();
            // Unread input must not turn the end into a reset.
            await peer.SendAsync(Pattern(3_000));
            ends.Add(peer.ReadToEndAsync());
            await harness.OnTurn(shard =>
            {
                shard.Send(connection, Pattern(2_000));
                shard.Close(connection, CloseCause.Requested, lingerMilliseconds: 1_000);
            });
        }
        foreach (var end in ends)
            Assert.Equal(2_000, await harness.For(end, "end"));
    }

    // A refused connection may end orderly or by a reset, depending on when the peer notices.
    private static async Task<long> EndAsync(IPeer peer)
    {
        try
        {
            return await peer.ReadToEndAsync();
        }
        catch (System.Net.Sockets.SocketException)
        {
            return 0;
        }
    }

    // Sends until output waits at the engine; gives the bytes that were accepted.
    private static async Task<long> FillAsync(EngineHarness harness, ConnectionRef connection)
    {
        long sent = 0;
        while (await harness.OnTurn(shard => shard.PendingBytes(connection)) == 0)
        {
            if (await harness.OnTurn(shard => shard.Send(connection, new byte[20_000])) == SendStatus.Accepted)
                sent += 20_000;
        }
        return sent;
    }
}
