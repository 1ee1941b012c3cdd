using Google.Protobuf;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>Calls over one link that works.</summary>
public sealed class CallTests
{
    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task A_call_is_answered()
    {
        await using var pair = await NodePair.StartAsync();
        var reply = await pair.EchoAsync(new Echo { Number = 7, Text = "seven" });
        Assert.Equal(new Echo { Number = 7, Text = "seven" }, reply);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(500)]
    [InlineData(70_000)]
    [InlineData(5_000_000)]
    public async Task Messages_of_any_size_come_back_whole(int size)
    {
        await using var pair = await NodePair.StartAsync();
        var payload = new byte[size];
        Random.Shared.NextBytes(payload);
        for (var i = 0; i < 3; i++)
            Assert.Equal(payload, (await pair.EchoAsync(new Echo { Payload = ByteString.CopyFrom(payload) })).Payload.ToByteArray());
    }

    [Fact]
    public async Task Many_calls_in_flight_get_each_its_own_answer()
    {
        await using var pair = await NodePair.StartAsync();
        await pair.EchoAsync(new Echo());
        await Waiting.For(Task.WhenAll(Enumerable.Range(0, 64).Select(async worker =>
        {
            for (var i = 0; i < 500; i++)
            {
                var number = worker * 1_000_000L + i;
                var reply = await pair.EchoAsync(new Echo { Number = number, Payload = ByteString.CopyFrom(new byte[number % 300]) });
                Assert.Equal(number, reply.Number);
                Assert.Equal(number % 300, reply.Payload.Length);
            }
        })), "32,000 calls");
    }

    [Fact]
    public async Task Replies_come_out_of_order_and_a_slow_handler_delays_nobody()
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, async (_, _) => await gate.Task));
        var slow = pair.Caller.CallAsync(TestMethods.Wait, new Echo(), NodePair.Long, None).AsTask();
        for (var i = 0; i < 100; i++)
            Assert.Equal(i, (await Waiting.For(pair.EchoAsync(new Echo { Number = i }).AsTask(), "a quick call")).Number);
        Assert.False(slow.IsCompleted);
        gate.SetResult(new Echo { Number = -1 });
        Assert.Equal(-1, (await Waiting.For(slow, "the slow call")).Number);
    }

    [Fact]
    public async Task A_handler_that_blocks_its_thread_delays_nobody()
    {
        using var gate = new ManualResetEventSlim();
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, (request, _) =>
        {
            gate.Wait();
            return ValueTask.FromResult(request);
        }));
        var slow = pair.Caller.CallAsync(TestMethods.Wait, new Echo(), NodePair.Long, None).AsTask();
        await Waiting.For(Task.WhenAll(Enumerable.Range(0, 500).Select(i => pair.EchoAsync(new Echo { Number = i }).AsTask())), "the quick calls");
        Assert.False(slow.IsCompleted);
        gate.Set();
        await Waiting.For(slow, "the slow call");
    }

    [Fact]
    public async Task A_caller_that_blocks_its_thread_delays_nobody()
    {
        using var gate = new ManualResetEventSlim();
        await using var pair = await NodePair.StartAsync();
        await pair.EchoAsync(new Echo());
        var blocked = Task.Run(async () =>
        {
            await pair.EchoAsync(new Echo());
            gate.Wait();
        });
        await Waiting.For(Task.WhenAll(Enumerable.Range(0, 500).Select(i => pair.EchoAsync(new Echo { Number = i }).AsTask())), "the other calls");
        gate.Set();
        await Waiting.For(blocked, "the blocked caller");
    }

    [Fact]
    public async Task A_handler_chooses_how_a_call_ends()
    {
        await using var pair = await NodePair.StartAsync(methods =>
            methods.Add(TestMethods.Fail, (_, _) => throw new RpcException(RpcStatus.StoreUnavailable, "redis is away")));
        var failure = await Assert.ThrowsAsync<RpcException>(async () => await pair.Caller.CallAsync(TestMethods.Fail, new Echo(), NodePair.Long, None));
        Assert.Equal(RpcStatus.StoreUnavailable, failure.Status);
        Assert.Equal("redis is away", failure.Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_fault_of_a_handler_is_answered_and_logged(bool later)
    {
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Fail, async (_, _) =>
        {
            if (later)
                await Task.Yield();
            throw new FormatException("a defect");
        }));
        pair.ExpectsErrors = true;
        var failure = await Assert.ThrowsAsync<RpcException>(async () => await pair.Caller.CallAsync(TestMethods.Fail, new Echo(), NodePair.Long, None));
        Assert.Equal(RpcStatus.Failed, failure.Status);
        Assert.Contains("a defect", failure.Message, StringComparison.Ordinal);
        Assert.Contains(pair.Log.Errors, error => error.Contains("Test.Fail", StringComparison.Ordinal) && error.Contains("a defect", StringComparison.Ordinal));
        Assert.Equal(5, (await pair.EchoAsync(new Echo { Number = 5 })).Number);
    }

    [Fact]
    public async Task A_method_that_the_peer_does_not_have_is_told()
    {
        await using var pair = await NodePair.StartAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(async () => await pair.Caller.CallAsync(TestMethods.Absent, new Echo(), NodePair.Long, None));
        Assert.Equal(RpcStatus.UnknownMethod, failure.Status);
        Assert.True(failure.IsUndone);
    }

    [Fact]
    public async Task Raw_bytes_go_both_ways()
    {
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Raw, async (request, reply, context) =>
        {
            await Task.Yield();
            Assert.Equal("client", context.PeerNodeId);
            request.Span.CopyTo(reply.GetSpan(request.Length));
            reply.Advance(request.Length);
            reply.GetSpan(1)[0] = 0xFF;
            reply.Advance(1);
        }));
        for (var size = 0; size < 3_000; size += 61)
        {
            var bytes = new byte[size];
            Random.Shared.NextBytes(bytes);
            using var reply = await pair.RawCaller.CallAsync(TestMethods.Raw, bytes, NodePair.Long, None);
            Assert.Equal([.. bytes, 0xFF], reply.Body.ToArray());
        }
    }

    [Fact]
    public async Task A_raw_reply_cannot_be_read_after_it_was_given_back()
    {
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Raw, static (_, _, _) => default));
        var reply = await pair.RawCaller.CallAsync(TestMethods.Raw, "x"u8, NodePair.Long, None);
        reply.Dispose();
        reply.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reply.Body);
    }
}
