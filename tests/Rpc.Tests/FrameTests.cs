using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Tests;

/// <summary>Frames as bytes: as documented, and however they are cut.</summary>
public sealed class FrameTests
{
    [Fact]
    public void A_request_has_the_documented_bytes() => Assert.Equal(
        [
            0x12, 0x00, 0x00, 0x00, // 18 bytes follow
            0x01, 0x00, 0x2A, 0x01, // request, method 0x012A
            0x01, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, // slot 0, generation 7
            0x88, 0x13, 0x00, 0x00, // 5000 ms
            0x08, 0x07, // body
        ],
        ScriptedPeer.Request(0x0000_0007_0000_0001, 0x012A, 5_000, [0x08, 0x07]));

    [Fact]
    public void A_reply_has_the_documented_bytes()
    {
        var frame = new byte[NodeFrame.HeaderBytes + 2];
        "no"u8.CopyTo(frame.AsSpan(NodeFrame.HeaderBytes));
        NodeFrame.WriteHeader(frame, FrameKind.Reply, (byte)RpcStatus.StoreUnavailable, 0, 0x0000_0007_0000_0001);
        Assert.Equal(
            [
                0x0E, 0x00, 0x00, 0x00, // 14 bytes follow
                0x02, 0x08, 0x00, 0x00, // reply, StoreUnavailable
                0x01, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, // the request's id
                0x6E, 0x6F, // "no"
            ],
            frame);
    }

    [Theory]
    [InlineData((byte)FrameKind.Ping)]
    [InlineData((byte)FrameKind.Pong)]
    [InlineData((byte)FrameKind.Bye)]
    public void Control_frames_have_the_documented_bytes(byte kind)
    {
        var frame = new byte[NodeFrame.HeaderBytes];
        NodeFrame.WriteHeader(frame, (FrameKind)kind, 0, 0, 0x0102030405060708);
        Assert.Equal([0x0C, 0x00, 0x00, 0x00, kind, 0x00, 0x00, 0x00, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01], frame);
    }

    [Fact]
    public void Handshake_messages_have_the_documented_bytes()
    {
        byte[] nonce = [.. Enumerable.Range(0, 32).Select(value => (byte)value)];
        Assert.Equal([.. "PSNL"u8, 1, 1, 38, 0, .. nonce, 0x00, 0x00, 0x10, 0x00, 1, (byte)'a'], new Hello(1, 1, "a", 1 << 20).Write(nonce));
        Assert.Equal([.. "PSNL"u8, 1, 0, 34, 0, .. nonce, 1, (byte)'b'], new Challenge(1, Refusal.None, "b").Write(nonce));
        Assert.Equal([.. "PSNL"u8, 0, 1, 0, 0], Challenge.Refuse(Refusal.Version));
        Assert.Equal([.. "PSNL"u8, 0, 2, 0, 0], Welcome.Refuse(Refusal.NotAuthenticated));
        Assert.Equal(
            [.. "PSNL"u8, 1, 0, 48, 0, .. new byte[32], 0x00, 0x00, 0x10, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00],
            new Welcome(Refusal.None, 1 << 20, 0x4000, 0x0400_0000).Write());
    }

    /// <summary>Computed once with another program (Python's hmac); docs/node-protocol.md shows the same.</summary>
    [Fact]
    public void Proofs_have_the_documented_bytes()
    {
        byte[] nonce = [.. Enumerable.Range(0, 32).Select(value => (byte)value)];
        var hello = new Hello(1, 1, "a", 1 << 20).Write(nonce);
        var challenge = new Challenge(1, Refusal.None, "b").Write(nonce);
        var client = HandshakeProof.OfClient(NodePair.Key, new byte[32], hello, challenge);
        Assert.Equal(ClientProof, Convert.ToHexStringLower(client));
        var proof = HandshakeMessage.Create(1, 0, 32);
        client.CopyTo(proof, HandshakeMessage.HeadBytes);
        var welcome = new Welcome(Refusal.None, 1 << 20, 0x4000, 0x0400_0000).Write();
        Assert.Equal(ServerProof, Convert.ToHexStringLower(HandshakeProof.OfServer(NodePair.Key, new byte[32], hello, challenge, proof, welcome)));
    }

    private const string ClientProof = "083c4ba270929cd6ba071d5384c4cb3aeed80ca823b4a1209779464315837a29";
    private const string ServerProof = "4a056ee1ea6853626a439862b551563b6057abb32871fedcc3054c03569fd2ad";

    [Fact]
    public void Frames_are_the_same_however_the_input_is_cut()
    {
        var stream = new List<byte>();
        var expected = new List<string>();
        foreach (var size in new[] { 0, 1, 15, 300, 70_000, 3 })
        {
            var body = Enumerable.Range(0, size).Select(value => (byte)(value * 7)).ToArray();
            stream.AddRange(ScriptedPeer.Request(size + 1, (ushort)size, (uint)size, body));
            var ping = new byte[NodeFrame.HeaderBytes];
            NodeFrame.WriteHeader(ping, FrameKind.Ping, 0, 0, size);
            stream.AddRange(ping);
        }
        expected.AddRange(Read(stream.ToArray(), int.MaxValue));
        Assert.Equal(12, expected.Count);
        foreach (var piece in new[] { 1, 2, 3, 7, 16, 17, 19, 20, 21, 1_000, 65_536 })
            Assert.Equal(expected, Read(stream.ToArray(), piece));
        var small = stream.GetRange(0, 400).ToArray();
        for (var cut = 0; cut <= small.Length; cut++)
            Assert.Equal(Read(small, int.MaxValue), ReadParts(small[..cut], small[cut..]));
    }

    [Fact]
    public void A_lying_length_costs_no_memory()
    {
        using var input = new FrameInput(256 * 1024 * 1024);
        byte[] head = [0xF0, 0xFF, 0xFF, 0x0F, (byte)FrameKind.Reply];
        head.CopyTo(input.Free());
        input.Received(head.Length);
        Assert.False(input.TryRead(out _));
        Assert.True(input.Free().Length <= FrameInput.RestingBytes);
        // It grows only with what really comes, and by no more than twice that.
        for (var total = head.Length; total < 1_000_000; total += 10_000)
        {
            Assert.True(input.Free().Length + total <= 2 * Math.Max(total, FrameInput.RestingBytes) + FrameInput.RestingBytes, $"{input.Free().Length} after {total}");
            input.Received(10_000);
            Assert.False(input.TryRead(out _));
        }
    }

    private static List<string> Read(byte[] stream, int piece) => ReadParts([.. stream.Chunk(Math.Min(piece, stream.Length))]);

    private static List<string> ReadParts(params byte[][] parts)
    {
        using var input = new FrameInput(1 << 20);
        var frames = new List<string>();
        foreach (var part in parts)
        {
            for (var left = part.AsMemory(); left.Length > 0;)
            {
                var free = input.Free();
                var count = Math.Min(free.Length, left.Length);
                left[..count].CopyTo(free);
                input.Received(count);
                left = left[count..];
                while (input.TryRead(out var frame))
                    frames.Add($"{frame.Kind} {frame.Id} {frame.Method} {Convert.ToHexString(frame.Body)}");
            }
        }
        return frames;
    }
}
