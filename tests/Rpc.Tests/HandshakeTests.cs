using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>Who gets a link and who does not.</summary>
public sealed class HandshakeTests
{
    private static readonly byte[] OtherKey = [.. Enumerable.Range(100, 32).Select(value => (byte)value)];

    private static async Task<RpcException> RefusedAsync(NodePair pair) =>
        await Assert.ThrowsAsync<RpcException>(() => Waiting.For(pair.EchoAsync(new Echo()).AsTask(), "the refusal"));

    [Fact]
    public async Task A_client_with_another_key_is_refused()
    {
        await using var pair = await NodePair.StartAsync(client: options => options.ClusterKeys = [OtherKey]);
        var failure = await RefusedAsync(pair);
        Assert.Equal(RpcStatus.Unreachable, failure.Status);
        Assert.Contains("the cluster key is not accepted", failure.Message, StringComparison.Ordinal);
        await Waiting.Until(() => pair.Log.Has("was refused: the cluster key is not accepted"), "the server's log");
        Assert.Equal(0, pair.Server.Links);
    }

    [Theory]
    [InlineData("A", "A", true)]
    [InlineData("A", "AB", true)]
    [InlineData("AB", "A", true)]
    [InlineData("AB", "BA", true)]
    [InlineData("BA", "AB", true)]
    [InlineData("B", "BA", true)]
    [InlineData("BA", "B", true)]
    [InlineData("B", "A", false)]
    [InlineData("BA", "A", false)]
    public async Task Two_keys_may_be_valid_at_once(string client, string server, bool works)
    {
        static IList<byte[]> Keys(string names) => [.. names.Select(name => name == 'A' ? NodePair.Key : OtherKey)];
        await using var pair = await NodePair.StartAsync(
            client: options => options.ClusterKeys = Keys(client), server: options => options.ClusterKeys = Keys(server));
        if (works)
            Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
        else
            Assert.Equal(RpcStatus.Unreachable, (await RefusedAsync(pair)).Status);
    }

    [Fact]
    public async Task A_server_that_does_not_hold_the_key_is_refused()
    {
        await using var links = new NodeLinks(NodePair.Options("client"), new LogCollector().CreateLogger<NodeLinks>());
        using var listener = ScriptedPeer.Listen();
        var call = links.To(new NodeAddress("server", "127.0.0.1", ScriptedPeer.PortOf(listener)))
            .CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        using var peer = await ScriptedPeer.AcceptAsync(listener);
        await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None);
        await peer.SendAsync(new Challenge(1, Refusal.None, "server").Write(RandomNumberGenerator.GetBytes(32)));
        await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None);
        await peer.SendAsync(new Welcome(Refusal.None, 1 << 20, 1_000, 1 << 20).Write());
        var failure = await Assert.ThrowsAsync<RpcException>(() => Waiting.For(call, "the refusal"));
        Assert.Contains("does not hold the cluster key", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recorded_handshake_cannot_be_replayed()
    {
        await using var pair = await NodePair.StartAsync();
        using var genuine = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        var recorder = new RecordingWire(genuine.Wire);
        await Waiting.For(Handshake.ConnectAsync(recorder, "server", NodePair.Options("client"), CancellationToken.None), "the genuine handshake");

        using var replay = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        await replay.SendAsync(recorder.Sent[0]);
        await HandshakeMessage.ReceiveAsync(replay.Wire, CancellationToken.None);
        await replay.SendAsync(recorder.Sent[1]);
        var welcome = Welcome.Read(await HandshakeMessage.ReceiveAsync(replay.Wire, CancellationToken.None));
        Assert.Equal(Refusal.NotAuthenticated, welcome.Refusal);
        await replay.ExpectEndAsync("the end of the replay");
        await Waiting.Until(() => pair.Server.Links == 1, "the genuine link, and no other");
    }

    [Fact]
    public async Task Nobody_can_take_another_nodes_id_on_the_way()
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        var nonce = RandomNumberGenerator.GetBytes(32);
        var honest = new Hello(1, 1, "client", 1 << 20).Write(nonce);
        await peer.SendAsync(new Hello(1, 1, "master", 1 << 20).Write(nonce));
        var challenge = await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None);
        var proof = HandshakeMessage.Create(1, 0, 32);
        HandshakeProof.OfClient(NodePair.Key, new byte[32], honest, challenge).CopyTo(proof, HandshakeMessage.HeadBytes);
        await peer.SendAsync(proof);
        Assert.Equal(Refusal.NotAuthenticated, Welcome.Read(await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None)).Refusal);
    }

    [Fact]
    public void One_sides_proof_is_not_the_others()
    {
        byte[] binding = new byte[32], hello = [1], challenge = [2];
        var client = HandshakeProof.OfClient(NodePair.Key, binding, hello, challenge);
        Assert.NotEqual(client, HandshakeProof.OfServer(NodePair.Key, binding, hello, challenge, [], new Welcome(Refusal.None, 1, 1, 1).Write()));
        Assert.NotEqual(client, HandshakeProof.OfClient(OtherKey, binding, hello, challenge));
        Assert.NotEqual(client, HandshakeProof.OfClient(NodePair.Key, OtherKey, hello, challenge));
    }

    [Fact]
    public async Task The_key_is_never_sent()
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        var recorder = new RecordingWire(peer.Wire);
        await Handshake.ConnectAsync(recorder, "server", NodePair.Options("client"), CancellationToken.None);
        var all = recorder.Sent.Concat(recorder.Received).SelectMany(static bytes => bytes).ToArray();
        Assert.True(all.Length > 150);
        Assert.Equal(-1, all.AsSpan().IndexOf(NodePair.Key.AsSpan(0, 8)));
    }

    [Theory]
    [InlineData(2, 9)]
    [InlineData(0, 0)]
    public async Task Without_a_common_version_the_link_is_refused(byte lowest, byte highest)
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        await peer.SendAsync(new Hello(lowest, highest, "client", 1 << 20).Write(new byte[32]));
        Assert.Equal(Refusal.Version, Challenge.Read(await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None)).Refusal);
        await peer.ExpectEndAsync("the end");
    }

    [Fact]
    public async Task A_later_version_with_longer_messages_agrees_on_this_one()
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        var plain = new Hello(1, 7, "client", 1 << 20).Write(RandomNumberGenerator.GetBytes(32));
        var hello = HandshakeMessage.Create(1, 7, plain.Length - HandshakeMessage.HeadBytes + 9);
        plain.AsSpan(HandshakeMessage.HeadBytes).CopyTo(hello.AsSpan(HandshakeMessage.HeadBytes));
        await peer.SendAsync(hello);
        var challenge = await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None);
        Assert.Equal(1, Challenge.Read(challenge).Version);
        var proof = HandshakeMessage.Create(1, 0, 32 + 5);
        HandshakeProof.OfClient(NodePair.Key, new byte[32], hello, challenge).CopyTo(proof, HandshakeMessage.HeadBytes);
        await peer.SendAsync(proof);
        Assert.Equal(Refusal.None, Welcome.Read(await HandshakeMessage.ReceiveAsync(peer.Wire, CancellationToken.None)).Refusal);
    }

    public static TheoryData<string, byte[]> BadOpenings => new()
    {
        { "http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray() },
        { "wrong magic", [.. "PSNK"u8, 1, 1, 40, 0] },
        { "a rest that is too long", [.. "PSNL"u8, 1, 1, 0xFF, 0xFF] },
        { "a rest that is too short", [.. "PSNL"u8, 1, 1, 4, 0, 1, 2, 3, 4] },
        { "an id longer than the message", [.. "PSNL"u8, 1, 1, 38, 0, .. new byte[36], 64, (byte)'x'] },
        { "an id that is too long", [.. "PSNL"u8, 1, 1, 37 + 65, 0, .. new byte[36], 65, .. new byte[65]] },
        { "an empty id", [.. "PSNL"u8, 1, 1, 38, 0, .. new byte[36], 0, 0] },
        { "an id that is not UTF-8", [.. "PSNL"u8, 1, 1, 39, 0, .. new byte[36], 2, 0xC3, 0x28] },
        { "an id with a line break", [.. "PSNL"u8, 1, 1, 39, 0, .. new byte[36], 2, (byte)'a', (byte)'\n'] },
        { "nothing but zeros", new byte[600] },
    };

    [Theory]
    [MemberData(nameof(BadOpenings))]
    public async Task A_bad_opening_is_closed_without_a_word(string name, byte[] bytes)
    {
        await using var pair = await NodePair.StartAsync();
        using var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        await peer.SendAsync(bytes);
        Assert.True(await peer.NextAsync(name) is null, name);
        Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(30)]
    public async Task Silence_during_the_handshake_is_closed(int bytesBefore)
    {
        var clock = new FakeClock();
        await using var pair = await NodePair.StartAsync(time: clock);
        using var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        await peer.SendAsync(new Hello(1, 1, "client", 1 << 20).Write(new byte[32]).AsMemory(0, bytesBefore));
        await Waiting.Until(
            () =>
            {
                // The limit begins when the connection is accepted, which nobody can see from here.
                clock.Advance(TimeSpan.FromSeconds(5.1));
                return pair.Log.Has("Rpc:HandshakeTimeout");
            },
            "the refusal");
        await peer.ExpectEndAsync("the end");
    }

    [Fact]
    public async Task Silent_connections_cannot_keep_a_node_out()
    {
        await using var pair = await NodePair.StartAsync(server: options => options.MaxHandshakes = 4);
        var silent = new List<ScriptedPeer>();
        for (var i = 0; i < 50; i++)
            silent.Add(await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port));
        Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
        await silent[0].ExpectEndAsync("the oldest is closed");
        silent.ForEach(static peer => peer.Dispose());
    }

    [Fact]
    public async Task A_full_server_refuses_further_nodes_and_replaces_a_nodes_oldest_link()
    {
        await using var pair = await NodePair.StartAsync(server: options => (options.MaxLinks, options.MaxLinksPerNode) = (3, 2));
        using var first = await ScriptedPeer.JoinAsync(pair, "one");
        using var second = await ScriptedPeer.JoinAsync(pair, "one");
        await Waiting.Until(() => pair.Server.Links == 2, "two links");
        using var third = await ScriptedPeer.JoinAsync(pair, "one");
        await first.ExpectEndAsync("the oldest link of the node");
        using var fourth = await ScriptedPeer.JoinAsync(pair, "two");
        await Waiting.Until(() => pair.Server.Links == 3, "three links");
        using var fifth = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port);
        var refused = await Assert.ThrowsAsync<HandshakeRefusedException>(
            () => Handshake.ConnectAsync(fifth.Wire, "server", NodePair.Options("three"), CancellationToken.None));
        Assert.Equal(Refusal.TooManyLinks, refused.Refusal);
        await second.RequestAsync(1, TestMethods.Echo.Id, 1_000, []);
        Assert.Equal(RpcStatus.Ok, (await second.ExpectAsync("an answer")).Status);
    }

    private sealed class RecordingWire(IWire inner) : IWire
    {
        public List<byte[]> Sent { get; } = [];

        public List<byte[]> Received { get; } = [];

        public ReadOnlyMemory<byte> ChannelBinding => inner.ChannelBinding;

        public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = await inner.ReceiveAsync(buffer, cancellationToken);
            Received.Add(buffer[..count].ToArray());
            return count;
        }

        public ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Sent.Add(bytes.ToArray());
            return inner.SendAsync(bytes, cancellationToken);
        }

        public void Abort() => inner.Abort();
    }
}
