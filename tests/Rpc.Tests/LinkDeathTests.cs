using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>Links that die, are silent, or never open: every call ends, and tells the truth.</summary>
public sealed class LinkDeathTests
{
    private static NodeLinks Links(TimeProvider time, Action<RpcOptions>? change = null)
    {
        var options = NodePair.Options("client");
        change?.Invoke(options);
        return new NodeLinks(options, new LogCollector().CreateLogger<NodeLinks>(), time);
    }

    private static Task<Echo> Call(IRpcCaller caller, long number = 0) =>
        caller.CallAsync(TestMethods.Echo, new Echo { Number = number }, NodePair.Long, CancellationToken.None).AsTask();

    private static async Task<RpcException> FailsAsync(Task call, string phase) => await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, phase));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_in_flight_end_at_once_when_the_link_dies(bool reset)
    {
        await using var links = Links(TimeProvider.System);
        using var listener = ScriptedPeer.Listen();
        var caller = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)));
        var calls = new List<Task<Echo>> { Call(caller) };
        using var peer = await ScriptedPeer.ServeAsync(listener);
        await peer.ExpectAsync("the first request");
        for (var i = 0; i < 99; i++)
            calls.Add(Call(caller));
        for (var i = 0; i < 99; i++)
            await peer.ExpectAsync("a request");
        if (reset)
            peer.Reset();
        else
            peer.Dispose();
        foreach (var call in calls)
        {
            var failure = await FailsAsync(call, "the end of a call");
            Assert.Equal(RpcStatus.LinkLost, failure.Status);
            Assert.False(failure.IsUndone);
        }
    }

    [Fact]
    public async Task Without_a_peer_calls_are_unreachable_at_once_until_one_is_there()
    {
        var clock = new FakeClock();
        await using var links = Links(clock);
        var port = FreePorts.Take(1)[0];
        var caller = links.To(new NodeAddress("server", "127.0.0.1", port));
        var failure = await FailsAsync(Call(caller), "the first attempt");
        Assert.Equal(RpcStatus.Unreachable, failure.Status);
        Assert.True(failure.IsUndone);
        // While it backs off nobody waits: the call has ended before the task is looked at a second time.
        for (var i = 0; i < 10; i++)
            Assert.Equal(RpcStatus.Unreachable, (await FailsAsync(Call(caller), "a call while backing off")).Status);

        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen(16);
        var serving = ScriptedPeer.ServeAsync(listener);
        Assert.False(serving.IsCompleted);
        // The loop may not have begun to wait yet; every delay is shorter than the longest one.
        await Waiting.Until(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(200));
            return serving.IsCompleted;
        }, "the next attempt");
        using var peer = await serving;
        Task<Echo>? call = null;
        await Waiting.Until(() => !(call = Call(caller)).IsFaulted, "the link is open");
        await peer.ReplyAsync((await peer.ExpectAsync("the request")).Id, RpcStatus.Ok, new Echo { Number = 4 }.ToByteArray());
        Assert.Equal(4, (await Waiting.For(call!, "the answer")).Number);
    }

    [Fact]
    public async Task Another_node_at_the_address_is_refused()
    {
        await using var pair = await NodePair.StartAsync();
        var caller = pair.Links.To(pair.Address with { NodeId = "somebody-else" });
        var failure = await FailsAsync(Call(caller), "the attempt");
        Assert.Equal(RpcStatus.Unreachable, failure.Status);
        Assert.Contains("node 'server' answers instead of 'somebody-else'", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_does_not_answer_ends_the_attempt()
    {
        var clock = new FakeClock();
        await using var links = Links(clock);
        using var listener = ScriptedPeer.Listen();
        var call = Call(links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener))));
        using var peer = await ScriptedPeer.AcceptAsync(listener);
        clock.Advance(TimeSpan.FromSeconds(3.1));
        var failure = await FailsAsync(call, "the end of the attempt");
        Assert.Equal(RpcStatus.Unreachable, failure.Status);
        Assert.Contains("Rpc:ConnectTimeout", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silent_peer_is_pinged_and_then_given_up()
    {
        var clock = new FakeClock();
        await using var links = Links(clock);
        using var listener = ScriptedPeer.Listen();
        var call = Call(links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener))));
        using var peer = await ScriptedPeer.ServeAsync(listener);
        Assert.Equal(FrameKind.Request, (await peer.NextAsync("the request"))!.Kind);
        clock.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal(FrameKind.Ping, (await peer.NextAsync("the ping"))!.Kind);
        Assert.False(call.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(7));
        var failure = await FailsAsync(call, "the end of the link");
        Assert.Equal(RpcStatus.LinkLost, failure.Status);
        Assert.Contains("Rpc:DeadAfter", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_peer_that_answers_pings_is_kept()
    {
        var clock = new FakeClock();
        await using var links = Links(clock);
        using var listener = ScriptedPeer.Listen();
        var call = Call(links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener))));
        using var peer = await ScriptedPeer.ServeAsync(listener);
        var request = (await peer.NextAsync("the request"))!;
        for (var round = 0; round < 6; round++)
        {
            clock.Advance(TimeSpan.FromSeconds(4));
            var ping = (await peer.NextAsync("the ping"))!;
            Assert.Equal(FrameKind.Ping, ping.Kind);
            await peer.ControlAsync(FrameKind.Pong, ping.Id);
            // Its answer shows that the pong has been read.
            await peer.ControlAsync(FrameKind.Ping, round);
            var pong = (await peer.NextAsync("the pong"))!;
            Assert.Equal((FrameKind.Pong, round), (pong.Kind, (int)pong.Id));
        }
        await peer.ReplyAsync(request.Id, RpcStatus.Ok, []);
        await Waiting.For(call, "the answer");
    }

    [Fact]
    public async Task A_server_gives_up_a_silent_client()
    {
        var clock = new FakeClock();
        await using var pair = await NodePair.StartAsync(time: clock);
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await Waiting.Until(() => pair.Server.Links == 1, "the link");
        clock.Advance(TimeSpan.FromSeconds(10.1));
        await peer.ExpectEndAsync("the end of the link");
        await Waiting.Until(() => pair.Server.Links == 0, "the server has forgotten it");
    }

    [Fact]
    public async Task Links_that_are_closed_end_their_calls()
    {
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, static async (request, context) =>
        {
            await Task.Delay(Timeout.Infinite, context.Expired);
            return request;
        }));
        await pair.EchoAsync(new Echo());
        var call = pair.Caller.CallAsync(TestMethods.Wait, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        await pair.EchoAsync(new Echo());
        await pair.Links.DisposeAsync();
        Assert.Equal(RpcStatus.LinkLost, (await FailsAsync(call, "the call in flight")).Status);
        Assert.Equal(RpcStatus.Unreachable, (await FailsAsync(Call(pair.Caller), "a call afterwards")).Status);
    }

    /// <summary>PUSH_RPC_CUTS sets the number of cuts, 25 by default.</summary>
    [Fact]
    public async Task No_call_hangs_or_lies_when_links_are_cut_at_random()
    {
        var cuts = int.TryParse(Environment.GetEnvironmentVariable("PUSH_RPC_CUTS"), out var wanted) ? wanted : 25;
        var done = new ConcurrentDictionary<long, int>();
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, async (request, _) =>
            {
                done.AddOrUpdate(request.Number, 1, static (_, count) => count + 1);
                if (request.Number % 7 == 0)
                    await Task.Yield();
                return request;
            }),
            client: options => (options.BackOff, options.MaxBackOff) = (TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(4)));
        using var proxy = new CuttingProxy(pair.Server.EndPoint.Port);
        var caller = pair.Links.To(pair.Address with { Port = proxy.Port });
        var ends = new ConcurrentDictionary<string, int>();
        var undone = new ConcurrentBag<long>();
        var answered = new ConcurrentBag<long>();
        var calls = 0L;
        var cutting = true;
        var cutter = Task.Run(async () =>
        {
            while (Volatile.Read(ref cutting))
            {
                await proxy.CutAfterAsync(Random.Shared.Next(200_000));
            }
        });
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async worker =>
        {
            await Task.Yield();
            for (var i = 0; proxy.Cuts < cuts; i++)
            {
                var number = worker * 100_000_000L + i;
                Interlocked.Increment(ref calls);
                try
                {
                    var reply = await caller.CallAsync(
                        TestMethods.Wait, new Echo { Number = number, Payload = ByteString.CopyFrom(new byte[i % 500]) }, NodePair.Long, CancellationToken.None);
                    Assert.Equal(number, reply.Number);
                    answered.Add(number);
                    ends.AddOrUpdate("Ok", 1, static (_, count) => count + 1);
                }
                catch (RpcException e)
                {
                    if (e.IsUndone)
                    {
                        undone.Add(number);
                        await Task.Delay(1);
                    }
                    ends.AddOrUpdate(e.Status.ToString(), 1, static (_, count) => count + 1);
                }
            }
        })).WaitAsync(Waiting.Limit + TimeSpan.FromSeconds(cuts));
        Volatile.Write(ref cutting, false);
        proxy.CutAll();
        await Waiting.For(cutter, "the cutter");

        Assert.Equal(calls, ends.Values.Sum());
        Assert.All(ends.Keys, end => Assert.Contains(end, new[] { "Ok", "LinkLost", "Unreachable" }));
        Assert.True(ends.GetValueOrDefault("LinkLost") > 0, "no call was cut in flight");
        Assert.All(undone, number => Assert.False(done.ContainsKey(number), $"call {number} was said not to be sent, and was done"));
        Assert.All(answered, number => Assert.Equal(1, done[number]));
        Assert.All(done.Values, count => Assert.Equal(1, count));
    }
}
