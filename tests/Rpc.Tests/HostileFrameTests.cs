using System.Buffers.Binary;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>A node that holds the key and sends nonsense: its link is closed, nobody else notices, nothing grows.</summary>
public sealed class HostileFrameTests
{
    private static byte[] Frame(uint length, byte kind, int bytes)
    {
        var frame = new byte[bytes];
        BinaryPrimitives.WriteUInt32LittleEndian(frame, length);
        if (bytes > 4)
            frame[4] = kind;
        return frame;
    }

    public static TheoryData<string, byte[]> BadFrames => new()
    {
        { "length 0", Frame(0, 1, 4) },
        { "a length below the header's", Frame(11, 1, 4) },
        { "a length above the limit", Frame(16 * 1024 * 1024 - 3, 1, 4) },
        { "the largest length", Frame(uint.MaxValue, 1, 4) },
        { "a length that is negative as a signed number", Frame(0x8000_0000, 1, 4) },
        { "kind 0", Frame(12, 0, 5) },
        { "an unknown kind", Frame(12, 6, 16) },
        { "the last unknown kind", Frame(12, 127, 16) },
        { "a request without its time", Frame(12, 1, 16) },
        { "a ping with a body", Frame(13, 3, 17) },
        { "a reply to a server", Frame(12, 2, 16) },
    };

    [Theory]
    [MemberData(nameof(BadFrames))]
    public async Task A_bad_frame_closes_its_own_link_only(string name, byte[] bytes)
    {
        await using var pair = await NodePair.StartAsync();
        await pair.EchoAsync(new Echo());
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await peer.RequestAsync(1, TestMethods.Echo.Id, 60_000, []);
        Assert.Equal(1, (await peer.ExpectAsync("an answer before")).Id);
        await peer.SendAsync(bytes);
        Assert.True(await peer.NextAsync(name) is null, name);
        Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
        await Waiting.Until(() => pair.Log.Has("has ended (Protocol)"), "the log");
    }

    [Fact]
    public async Task A_server_that_sends_requests_is_closed()
    {
        var log = new LogCollector();
        await using var links = new NodeLinks(NodePair.Options("client"), Microsoft.Extensions.Logging.LoggerFactoryExtensions.CreateLogger<NodeLinks>(log));
        using var listener = ScriptedPeer.Listen();
        var call = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)))
            .CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        using var peer = await ScriptedPeer.ServeAsync(listener);
        await peer.ExpectAsync("the request");
        await peer.RequestAsync(1, 1, 1_000, []);
        Assert.Equal(RpcStatus.LinkLost, (await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the end"))).Status);
    }

    [Fact]
    public async Task Replies_that_nobody_asked_for_are_ignored()
    {
        await using var links = new NodeLinks(
            NodePair.Options("client"), Microsoft.Extensions.Logging.LoggerFactoryExtensions.CreateLogger<NodeLinks>(new LogCollector()));
        using var listener = ScriptedPeer.Listen();
        var call = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)))
            .CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        using var peer = await ScriptedPeer.ServeAsync(listener);
        var request = await peer.ExpectAsync("the request");
        foreach (var id in new[] { 0, -1, long.MinValue, long.MaxValue, request.Id + 1, request.Id + (1L << 32), request.Id & uint.MaxValue, 1L << 63 | request.Id })
            await peer.ReplyAsync(id, RpcStatus.Ok, []);
        await peer.ReplyAsync(request.Id, (RpcStatus)200, "from the future"u8);
        var failure = await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the answer"));
        Assert.Equal(RpcStatus.Failed, failure.Status);
        Assert.Equal("from the future", failure.Message);
    }

    [Fact]
    public async Task A_reply_that_is_no_message_fails_the_call_and_not_the_link()
    {
        await using var links = new NodeLinks(
            NodePair.Options("client"), Microsoft.Extensions.Logging.LoggerFactoryExtensions.CreateLogger<NodeLinks>(new LogCollector()));
        using var listener = ScriptedPeer.Listen();
        var caller = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)));
        var call = caller.CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        using var peer = await ScriptedPeer.ServeAsync(listener);
        await peer.ReplyAsync((await peer.ExpectAsync("the request")).Id, RpcStatus.Ok, [0xFF, 0xFF, 0xFF]);
        Assert.Equal(RpcStatus.Failed, (await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the failure"))).Status);
        call = caller.CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        await peer.ReplyAsync((await peer.ExpectAsync("the next request")).Id, RpcStatus.Ok, []);
        await Waiting.For(call, "the next call");
    }

    [Fact]
    public async Task A_request_that_is_no_message_is_a_bad_request()
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await peer.RequestAsync(9, TestMethods.Echo.Id, 60_000, [0xFF, 0xFF, 0xFF]);
        var reply = await peer.ExpectAsync("the refusal");
        Assert.Equal((9, RpcStatus.BadRequest), (reply.Id, reply.Status));
    }

    [Fact]
    public async Task Kinds_that_may_be_skipped_are_skipped()
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await peer.SendAsync(Frame(500, 128, 504));
        await peer.SendAsync(Frame(12, 255, 16));
        await peer.RequestAsync(1, TestMethods.Echo.Id, 60_000, []);
        Assert.Equal(1, (await peer.ExpectAsync("the answer")).Id);
    }

    [Fact]
    public async Task Half_a_frame_and_then_silence_is_given_up()
    {
        var clock = new FakeClock();
        await using var pair = await NodePair.StartAsync(time: clock);
        using var peer = await ScriptedPeer.JoinAsync(pair);
        await Waiting.Until(() => pair.Server.Links == 1, "the link");
        await peer.SendAsync(ScriptedPeer.Request(1, 1, 1_000, new byte[1_000]).AsMemory(0, 500));
        await Waiting.Until(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(5));
                return pair.Server.Links == 0;
            },
            "the end of the link");
        await peer.ExpectEndAsync("the close");
    }

    [Fact]
    public async Task A_request_in_single_bytes_is_understood()
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.JoinAsync(pair);
        foreach (var value in ScriptedPeer.Request(3, TestMethods.Echo.Id, 60_000, "\n\0"u8[..0]))
            await peer.SendAsync(new[] { value });
        Assert.Equal(3, (await peer.ExpectAsync("the answer")).Id);
    }

    [Fact]
    public async Task Garbage_harms_nobody()
    {
        await using var pair = await NodePair.StartAsync();
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var round = 0; round < 60; round++)
        {
            using var peer = await ScriptedPeer.JoinAsync(pair);
            var bytes = new byte[random.Next(1, 4_000)];
            random.NextBytes(bytes);
            // Half of them begin with a frame that is right, or nearly.
            if (round % 2 == 0)
            {
                var frame = ScriptedPeer.Request(random.NextInt64(), (ushort)random.Next(8), (uint)random.Next(), new byte[random.Next(50)]);
                frame[random.Next(4, frame.Length)] = (byte)random.Next(256);
                bytes = [.. frame, .. bytes];
            }
            try
            {
                await peer.SendAsync(bytes);
            }
            catch (System.Net.Sockets.SocketException)
            {
                // Closed already.
            }
            Assert.True((await pair.EchoAsync(new Echo { Number = round })).Number == round, $"seed {seed}");
        }
    }
}
