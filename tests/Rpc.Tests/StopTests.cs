using System.Net.Sockets;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>Servers that stop.</summary>
public sealed class StopTests
{
    [Fact]
    public async Task Running_handlers_end_and_new_calls_are_refused()
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, async (_, _) =>
        {
            started.SetResult();
            return await gate.Task;
        }));
        var running = pair.Caller.CallAsync(TestMethods.Wait, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        await Waiting.For(started.Task, "the handler");
        var stopping = pair.Server.DisposeAsync().AsTask();
        RpcException? refused = null;
        await Waiting.Until(() =>
        {
            try
            {
                _ = pair.EchoAsync(new Echo()).AsTask().GetAwaiter().GetResult();
                return false;
            }
            catch (RpcException e)
            {
                refused = e;
                return true;
            }
        }, "the refusal");
        Assert.Equal(RpcStatus.Stopping, refused!.Status);
        Assert.True(refused.IsUndone);
        Assert.False(stopping.IsCompleted);
        gate.SetResult(new Echo { Number = 8 });
        Assert.Equal(8, (await Waiting.For(running, "the running call")).Number);
        await Waiting.For(stopping, "the stop");
        await Waiting.Until(() => pair.Log.Has("the peer is stopping"), "the client has read the good-bye");
    }

    [Fact]
    public async Task A_handler_that_does_not_end_is_cancelled()
    {
        var clock = new FakeClock();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(methods => methods.Add(TestMethods.Wait, async (request, context) =>
        {
            await using var registration = context.Expired.Register(cancelled.SetResult);
            started.SetResult();
            await cancelled.Task;
            return request;
        }), client: Patient, server: Patient, time: clock);
        var running = pair.Caller.CallAsync(TestMethods.Wait, new Echo(), TimeSpan.FromMinutes(5), CancellationToken.None).AsTask();
        await Waiting.For(started.Task, "the handler");
        var stopping = pair.Server.DisposeAsync().AsTask();
        await Waiting.Until(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(3));
                return stopping.IsCompleted;
            },
            "the stop");
        await Waiting.For(cancelled.Task, "the cancellation");
        Assert.Equal(RpcStatus.LinkLost, (await Assert.ThrowsAsync<RpcException>(() => Waiting.For(running, "the running call"))).Status);
        Assert.True(pair.Log.Has("1 handlers still run"));

        // The clock runs too fast for pings.
        static void Patient(RpcOptions options) => (options.PingAfter, options.DeadAfter) = (TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(30));
    }

    [Fact]
    public async Task What_is_not_answered_when_the_server_says_good_bye_was_not_done()
    {
        await using var links = new NodeLinks(
            NodePair.Options("client"), Microsoft.Extensions.Logging.LoggerFactoryExtensions.CreateLogger<NodeLinks>(new LogCollector()));
        using var listener = ScriptedPeer.Listen();
        var call = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)))
            .CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        using var peer = await ScriptedPeer.ServeAsync(listener);
        await peer.ExpectAsync("the request");
        await peer.ControlAsync(FrameKind.Bye, 0);
        Assert.Equal(RpcStatus.Stopping, (await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the end"))).Status);
        await peer.ExpectEndAsync("the client closes");
    }

    [Fact]
    public async Task A_stopped_server_frees_its_port()
    {
        var port = FreePorts.Take(1)[0];
        for (var round = 0; round < 3; round++)
        {
            await using var pair = await NodePair.StartAsync(server: options => options.EndPoints = [new(System.Net.IPAddress.Loopback, port)]);
            Assert.Equal(port, pair.Server.EndPoint.Port);
            Assert.Equal(round, (await pair.EchoAsync(new Echo { Number = round })).Number);
        }
    }

    [Fact]
    public async Task A_taken_end_point_is_told_and_nothing_listens()
    {
        var free = FreePorts.Take(1)[0];
        await using var pair = await NodePair.StartAsync();
        var options = NodePair.Options("second");
        options.EndPoints = [new(System.Net.IPAddress.Loopback, free), pair.Server.EndPoint];
        await using var second = new RpcServer(options, new RpcMethods(), Microsoft.Extensions.Logging.Abstractions.NullLogger<RpcServer>.Instance);
        await Assert.ThrowsAsync<SocketException>(() => second.StartAsync());
        await Assert.ThrowsAsync<SocketException>(() => ScriptedPeer.ConnectAsync(free));
    }

    [Fact]
    public async Task Many_calls_across_a_restart_end_and_none_is_done_twice()
    {
        var port = FreePorts.Take(1)[0];
        var done = new System.Collections.Concurrent.ConcurrentDictionary<long, int>();
        var links = new NodeLinks(Fast(), Microsoft.Extensions.Logging.LoggerFactoryExtensions.CreateLogger<NodeLinks>(new LogCollector()));
        await using var ownedLinks = links;
        var caller = links.To(new NodeAddress("server", "127.0.0.1", port));
        var over = false;
        var calls = Task.WhenAll(Enumerable.Range(0, 16).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; !Volatile.Read(ref over); i++)
            {
                var number = worker * 10_000_000L + i;
                // What was not done may be repeated: so every number is done once unless its outcome was unknown.
                while (true)
                {
                    try
                    {
                        await caller.CallAsync(TestMethods.Wait, new Echo { Number = number }, NodePair.Long, CancellationToken.None);
                        break;
                    }
                    catch (RpcException e) when (e.IsUndone && !Volatile.Read(ref over))
                    {
                        await Task.Delay(1);
                    }
                    catch (RpcException e) when (e.IsUndone)
                    {
                        break;
                    }
                }
            }
        })));
        for (var round = 1; round <= 5; round++)
        {
            var before = done.Count;
            await using var pair = await NodePair.StartAsync(
                methods => methods.Add(TestMethods.Wait, async (request, _) =>
                {
                    done.AddOrUpdate(request.Number, 1, static (_, count) => count + 1);
                    await Task.Yield();
                    return request;
                }),
                server: options => options.EndPoints = [new(System.Net.IPAddress.Loopback, port)]);
            await Waiting.Until(() => done.Count > before + 300, $"300 calls of round {round}");
        }
        Volatile.Write(ref over, true);
        await Waiting.For(calls, "the callers");
        // A server that stops gently leaves no call with an unknown outcome.
        Assert.All(done.Values, count => Assert.Equal(1, count));

        static RpcOptions Fast()
        {
            var options = NodePair.Options("client");
            (options.BackOff, options.MaxBackOff) = (TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(5));
            return options;
        }
    }
}
