using System.Collections.Concurrent;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>What is bounded, and how it is refused.</summary>
public sealed class LimitTests
{
    private static async Task<RpcException> FailsAsync(ValueTask<Echo> call) => await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call.AsTask(), "the refusal"));

    private static ValueTask<Echo> Wait(NodePair pair, int payload = 0) => pair.Caller.CallAsync(
        TestMethods.Wait, new Echo { Payload = ByteString.CopyFrom(new byte[payload]) }, NodePair.Long, CancellationToken.None);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_caller_is_refused_at_once_when_too_many_calls_are_in_flight(bool limitOfServer)
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, async (_, _) => await gate.Task),
            client: options => options.MaxInFlight = limitOfServer ? 1_000 : 20,
            server: options => options.MaxInFlight = limitOfServer ? 20 : 1_000);
        await pair.EchoAsync(new Echo());
        var running = Enumerable.Range(0, 20).Select(_ => Wait(pair).AsTask()).ToArray();
        var failure = await FailsAsync(Wait(pair));
        Assert.Equal(RpcStatus.Busy, failure.Status);
        Assert.True(failure.IsUndone);
        gate.SetResult(new Echo());
        await Waiting.For(Task.WhenAll(running), "the calls before");
        await Wait(pair);
    }

    [Fact]
    public async Task The_caller_is_refused_at_once_when_too_many_bytes_are_in_flight()
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, async (_, _) => await gate.Task),
            client: options => (options.MaxFrameBytes, options.MaxInFlightBytes) = (64 * 1024, 100 * 1024));
        await pair.EchoAsync(new Echo());
        var running = Wait(pair, 60_000).AsTask();
        Assert.Equal(RpcStatus.Busy, (await FailsAsync(Wait(pair, 60_000))).Status);
        Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
        gate.SetResult(new Echo());
        await Waiting.For(running, "the large call");
        await Wait(pair, 60_000);
    }

    [Fact]
    public async Task The_server_refuses_a_peer_that_ignores_the_limits()
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, async (_, _) => await gate.Task),
            server: options => (options.MaxInFlight, options.MaxFrameBytes, options.MaxInFlightBytes) = (4, 64 * 1024, 64 * 1024));
        using var peer = await ScriptedPeer.JoinAsync(pair);
        for (var id = 1; id <= 6; id++)
            await peer.RequestAsync(id, TestMethods.Wait.Id, 60_000, []);
        foreach (var id in new[] { 5, 6 })
        {
            var refused = await peer.ExpectAsync("the refusal by count");
            Assert.Equal((id, RpcStatus.Busy), (refused.Id, refused.Status));
        }
        gate.SetResult(new Echo());
        for (var id = 1; id <= 4; id++)
            Assert.Equal(RpcStatus.Ok, (await peer.ExpectAsync("the answers")).Status);
    }

    [Fact]
    public async Task The_server_refuses_too_many_bytes_of_a_peer()
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, async (_, _) => await gate.Task),
            server: options => (options.MaxFrameBytes, options.MaxInFlightBytes) = (64 * 1024, 64 * 1024));
        using var peer = await ScriptedPeer.JoinAsync(pair);
        var body = new Echo { Payload = ByteString.CopyFrom(new byte[40_000]) }.ToByteArray();
        await peer.RequestAsync(1, TestMethods.Wait.Id, 60_000, body);
        await peer.RequestAsync(2, TestMethods.Wait.Id, 60_000, body);
        var refused = await peer.ExpectAsync("the refusal by bytes");
        Assert.Equal((2, RpcStatus.Busy), (refused.Id, refused.Status));
        gate.SetResult(new Echo());
        Assert.Equal(1, (await peer.ExpectAsync("the answer")).Id);
    }

    [Fact]
    public async Task A_request_above_the_peers_limit_is_refused_before_it_is_sent()
    {
        await using var pair = await NodePair.StartAsync(server: options => options.MaxFrameBytes = 8_192);
        await pair.EchoAsync(new Echo());
        var failure = await FailsAsync(pair.EchoAsync(new Echo { Payload = ByteString.CopyFrom(new byte[8_192]) }));
        Assert.Equal(RpcStatus.BadRequest, failure.Status);
        Assert.Contains("Rpc:MaxFrameBytes", failure.Message, StringComparison.Ordinal);
        Assert.Equal(3, (await pair.EchoAsync(new Echo { Number = 3 })).Number);
    }

    [Fact]
    public async Task A_reply_above_the_callers_limit_fails_and_the_link_lives_on()
    {
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, static (_, _) => ValueTask.FromResult(new Echo { Payload = ByteString.CopyFrom(new byte[10_000]) })),
            client: options => options.MaxFrameBytes = 8_192);
        var failure = await FailsAsync(Wait(pair));
        Assert.Equal(RpcStatus.Failed, failure.Status);
        Assert.Contains("Rpc:MaxFrameBytes", failure.Message, StringComparison.Ordinal);
        Assert.Equal(3, (await pair.EchoAsync(new Echo { Number = 3 })).Number);
    }

    [Fact]
    public async Task What_waits_to_be_sent_is_bounded_and_tells_sent_from_unsent_when_the_link_dies()
    {
        var log = new LogCollector();
        var options = NodePair.Options("client");
        (options.MaxFrameBytes, options.MaxQueuedBytes) = (64 * 1024, 1024 * 1024);
        await using var links = new NodeLinks(options, log.CreateLogger<NodeLinks>());
        using var listener = ScriptedPeer.Listen();
        var caller = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)));
        var request = new Echo { Payload = ByteString.CopyFrom(new byte[32_000]) };
        var calls = new List<Task<Echo>> { caller.CallAsync(TestMethods.Echo, request, NodePair.Long, CancellationToken.None).AsTask() };
        using var peer = await ScriptedPeer.ServeAsync(listener);
        await peer.ExpectAsync("the first request");
        // The peer reads no more: first the system's buffers fill, then the queue.
        RpcException? refused = null;
        while (refused is null)
        {
            var call = caller.CallAsync(TestMethods.Echo, request, NodePair.Long, CancellationToken.None).AsTask();
            if (call.IsFaulted)
                refused = await Assert.ThrowsAsync<RpcException>(() => call);
            else
                calls.Add(call);
        }
        Assert.Equal(RpcStatus.Busy, refused.Status);
        Assert.Contains("Rpc:MaxQueuedBytes", refused.Message, StringComparison.Ordinal);
        peer.Reset();
        var ends = new ConcurrentDictionary<RpcStatus, int>();
        foreach (var call in calls)
            ends.AddOrUpdate((await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the end of a call"))).Status, 1, static (_, count) => count + 1);
        Assert.Equal([RpcStatus.LinkLost, RpcStatus.Unreachable], ends.Keys.Order());
        Assert.True(ends[RpcStatus.Unreachable] > 10, $"{ends[RpcStatus.Unreachable]} unsent");
    }

    [Fact]
    public async Task A_peer_that_does_not_read_its_replies_is_closed()
    {
        await using var pair = await NodePair.StartAsync(
            methods => methods.Add(TestMethods.Wait, static (_, _) => ValueTask.FromResult(new Echo { Payload = ByteString.CopyFrom(new byte[60_000]) })),
            server: options => (options.MaxFrameBytes, options.MaxQueuedBytes) = (64 * 1024, 256 * 1024));
        using var peer = await ScriptedPeer.JoinAsync(pair);
        var sending = Task.Run(async () =>
        {
            try
            {
                for (var id = 1; id < 10_000; id++)
                    await peer.RequestAsync(id, TestMethods.Wait.Id, 60_000, []);
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException)
            {
                // Closed by the server, as it should be.
            }
        });
        await Waiting.Until(() => pair.Log.Has("Rpc:MaxQueuedBytes"), "the link is closed as slow");
        Assert.Equal(0, pair.Server.Links);
        peer.Reset();
        await Waiting.For(sending, "the sender");
    }
}
