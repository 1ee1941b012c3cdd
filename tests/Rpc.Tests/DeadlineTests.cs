using Google.Protobuf;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>Deadlines and cancellation, on both sides, under a clock that the test moves.</summary>
public sealed class DeadlineTests
{
    private static readonly TimeSpan FiveSeconds = TimeSpan.FromSeconds(5);

    private static NodeLinks Links(TimeProvider time) => new(NodePair.Options("client"), new LogCollector().CreateLogger<NodeLinks>(), time);

    private static async Task<(ScriptedPeer Peer, IRpcCaller Caller)> ServeAsync(NodeLinks links)
    {
        using var listener = ScriptedPeer.Listen();
        var caller = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)));
        var first = caller.CallAsync(TestMethods.Echo, new Echo(), FiveSeconds, CancellationToken.None).AsTask();
        var peer = await ScriptedPeer.ServeAsync(listener);
        var request = await peer.ExpectAsync("the first request");
        await peer.ReplyAsync(request.Id, RpcStatus.Ok, []);
        await Waiting.For(first, "the first call");
        return (peer, caller);
    }

    [Fact]
    public async Task A_call_ends_at_its_deadline_and_not_before()
    {
        var clock = new FakeClock();
        await using var links = Links(clock);
        var (peer, caller) = await ServeAsync(links);
        using var owned = peer;
        var call = caller.CallAsync(TestMethods.Echo, new Echo(), FiveSeconds, CancellationToken.None).AsTask();
        await peer.ExpectAsync("the request");
        clock.Advance(TimeSpan.FromSeconds(4.98));
        Assert.False(call.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(0.04));
        var failure = await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the deadline"));
        Assert.Equal(RpcStatus.Expired, failure.Status);
        Assert.False(failure.IsUndone);
    }

    [Fact]
    public async Task A_late_reply_of_an_expired_call_does_not_complete_a_newer_one()
    {
        var clock = new FakeClock();
        await using var links = Links(clock);
        var (peer, caller) = await ServeAsync(links);
        using var owned = peer;
        var older = caller.CallAsync(TestMethods.Echo, new Echo(), TimeSpan.FromSeconds(1), CancellationToken.None).AsTask();
        var olderRequest = await peer.ExpectAsync("the older request");
        clock.Advance(TimeSpan.FromSeconds(1.1));
        await Assert.ThrowsAsync<RpcException>(() => Waiting.For(older, "the older deadline"));

        var newer = caller.CallAsync(TestMethods.Echo, new Echo(), FiveSeconds, CancellationToken.None).AsTask();
        var newerRequest = await peer.ExpectAsync("the newer request");
        Assert.Equal((uint)olderRequest.Id, (uint)newerRequest.Id);
        Assert.NotEqual(olderRequest.Id, newerRequest.Id);
        await peer.ReplyAsync(olderRequest.Id, RpcStatus.Ok, new Echo { Number = 1 }.ToByteArray());
        await peer.ReplyAsync(newerRequest.Id, RpcStatus.Ok, new Echo { Number = 2 }.ToByteArray());
        Assert.Equal(2, (await Waiting.For(newer, "the newer reply")).Number);
    }

    [Theory]
    [InlineData(5_000, 5_000)]
    [InlineData(1, 1)]
    [InlineData(0.1, 1)]
    [InlineData(1e12, NodeFrame.MaxRemaining)]
    public async Task The_time_that_is_left_travels_with_the_call(double milliseconds, uint expected)
    {
        await using var links = Links(new FakeClock());
        var (peer, caller) = await ServeAsync(links);
        using var owned = peer;
        var call = caller.CallAsync(TestMethods.Echo, new Echo(), TimeSpan.FromMilliseconds(milliseconds), CancellationToken.None).AsTask();
        var request = await peer.ExpectAsync("the request");
        Assert.Equal(expected, request.Remaining);
        await peer.ReplyAsync(request.Id, RpcStatus.Ok, []);
        await Waiting.For(call, "the reply");
    }

    [Fact]
    public async Task Without_time_nothing_is_sent()
    {
        await using var pair = await NodePair.StartAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(
            async () => await pair.Caller.CallAsync(TestMethods.Echo, new Echo(), TimeSpan.Zero, CancellationToken.None));
        Assert.Equal(RpcStatus.Expired, failure.Status);
        Assert.Equal(0, pair.Server.Links);
    }

    [Fact]
    public async Task Expired_work_is_dropped_before_it_is_done()
    {
        var ran = 0;
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, (request, _) =>
        {
            Interlocked.Increment(ref ran);
            return ValueTask.FromResult(request);
        }), time: new FakeClock());
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await peer.RequestAsync(77, TestMethods.Wait.Id, 0, []);
        var reply = await peer.ExpectAsync("the refusal");
        Assert.Equal((77, RpcStatus.Expired), (reply.Id, reply.Status));
        Assert.Equal(0, ran);
    }

    [Fact]
    public async Task Work_that_expires_while_it_waits_for_a_thread_is_not_begun()
    {
        var clock = new FakeClock();
        using var gate = new ManualResetEventSlim();
        var ran = 0;
        var blocking = 0;
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, (request, _) =>
        {
            if (request.Number == 1)
                Interlocked.Increment(ref ran);
            else
                Interlocked.Increment(ref blocking);
            gate.Wait();
            return ValueTask.FromResult(request);
        }), time: clock);
        using var peer = await ScriptedPeer.JoinAsync(pair);
        // More than there will be threads for at once; then one that has little time.
        var frames = new List<byte>();
        for (var i = 0; i < 64; i++)
            frames.AddRange(ScriptedPeer.Request(i, TestMethods.Wait.Id, 60_000, []));
        frames.AddRange(ScriptedPeer.Request(64, TestMethods.Wait.Id, 500, new Echo { Number = 1 }.ToByteArray()));
        await peer.SendAsync(frames.ToArray());
        await Waiting.Until(() => Volatile.Read(ref blocking) > 0, "the first handler");
        clock.Advance(TimeSpan.FromSeconds(1));
        SeenFrame reply = await peer.ExpectAsync("the refusal");
        Assert.Equal((64, RpcStatus.Expired), (reply.Id, reply.Status));
        var hadBegun = Volatile.Read(ref ran);
        gate.Set();
        for (var i = 0; i < 64; i++)
            Assert.Equal(RpcStatus.Ok, (await peer.ExpectAsync("a reply")).Status);
        Assert.Equal(hadBegun, Volatile.Read(ref ran));
    }

    [Fact]
    public async Task The_handler_is_told_when_the_time_is_over_and_the_caller_is_answered_once()
    {
        var clock = new FakeClock();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, async (request, context) =>
        {
            started.SetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, context.Expired);
            }
            finally
            {
                cancelled.SetResult();
            }
            return request;
        }), time: clock);
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await peer.RequestAsync(5, TestMethods.Wait.Id, 1_000, []);
        await Waiting.For(started.Task, "the handler");
        clock.Advance(TimeSpan.FromSeconds(1.1));
        await Waiting.For(cancelled.Task, "the cancellation");
        var reply = await peer.ExpectAsync("the reply");
        Assert.Equal((5, RpcStatus.Expired), (reply.Id, reply.Status));
        await peer.RequestAsync(6, TestMethods.Echo.Id, 1_000, []);
        Assert.Equal(6, (await peer.ExpectAsync("the next reply")).Id);
    }

    [Fact]
    public async Task The_handler_is_told_when_the_link_dies()
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, async (request, context) =>
        {
            await using var registration = context.Expired.Register(cancelled.SetResult);
            started.SetResult();
            await cancelled.Task;
            return request;
        }));
        using (var peer = await ScriptedPeer.JoinAsync(pair))
        {
            await peer.RequestAsync(5, TestMethods.Wait.Id, 60_000, []);
            await Waiting.For(started.Task, "the handler");
        }
        await Waiting.For(cancelled.Task, "the cancellation");
    }

    [Fact]
    public async Task A_cancelled_call_ends_at_once_and_its_late_reply_harms_nobody()
    {
        await using var links = Links(TimeProvider.System);
        var (peer, caller) = await ServeAsync(links);
        using var owned = peer;
        using var source = new CancellationTokenSource();
        var call = caller.CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, source.Token).AsTask();
        var request = await peer.ExpectAsync("the request");
        await source.CancelAsync();
        var cancelled = await Assert.ThrowsAsync<OperationCanceledException>(() => Waiting.For(call, "the cancellation"));
        Assert.Equal(source.Token, cancelled.CancellationToken);
        await peer.ReplyAsync(request.Id, RpcStatus.Ok, new Echo { Number = 1 }.ToByteArray());
        var next = caller.CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        await peer.ReplyAsync((await peer.ExpectAsync("the next request")).Id, RpcStatus.Ok, new Echo { Number = 2 }.ToByteArray());
        Assert.Equal(2, (await Waiting.For(next, "the next call")).Number);
    }

    [Fact]
    public async Task Cancellations_that_race_with_replies_end_every_call_once()
    {
        await using var pair = await NodePair.StartAsync();
        await pair.EchoAsync(new Echo());
        await Waiting.For(Task.WhenAll(Enumerable.Range(0, 32).Select(async worker =>
        {
            await Task.Yield();
            for (var i = 0; i < 300; i++)
            {
                using var source = new CancellationTokenSource();
                var number = worker * 1_000L + i;
                var call = pair.Caller.CallAsync(TestMethods.Echo, new Echo { Number = number }, NodePair.Long, source.Token);
                if (i % 3 != 0)
                    _ = Task.Run(source.Cancel);
                try
                {
                    Assert.Equal(number, (await call).Number);
                }
                catch (OperationCanceledException)
                {
                    Assert.NotEqual(0, i % 3);
                }
            }
        })), "9,600 calls");
    }
}
