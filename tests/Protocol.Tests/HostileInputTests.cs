using System.Buffers;
using System.Text.Json.Nodes;
using PushSystem.Protocol.Tests.Hostile;
using PushSystem.Protocol.Tests.Vectors;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>Whatever a peer sends, reading it ends with a ProtocolException that names the reason, and costs little.</summary>
public sealed class HostileInputTests
{
    // The exception itself, its text and its stack trace. Every bound of the protocol lies below it, every lying length far above.
    private const int AllocationLimit = 24 * 1024;

    public static TheoryData<string, string> Inputs
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var input in HostileInput.All.Values)
                data.Add(input.Name, input.Prevents);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Inputs))]
    public void A_hostile_input_is_refused_with_its_reason(string name, string prevents)
    {
        var input = HostileInput.All[name];
        foreach (var bytes in new[] { new ReadOnlySequence<byte>(input.Bytes), Segments.OfOneByte(input.Bytes) })
        {
            var e = Assert.Throws<ProtocolException>(() => input.Read(bytes));
            Assert.True(input.Code == e.Code, $"{name} prevents: {prevents}; refused with {e.Code}: {e.Message}");
            Assert.NotEmpty(e.Message);
        }
    }

    [Theory]
    [MemberData(nameof(Inputs))]
    public void A_hostile_input_makes_the_reader_allocate_next_to_nothing(string name, string prevents)
    {
        var input = HostileInput.All[name];
        Refuse(input);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refuse(input);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= AllocationLimit, $"{name} made the reader allocate {allocated} bytes; prevents: {prevents}");
    }

    [Fact]
    public void There_are_at_least_150_different_hostile_inputs()
    {
        var twice = HostileInput.All.Values
            .GroupBy(input => $"{input.ReadAs} {input.BodyLimit} {Convert.ToHexString(input.Bytes)}")
            .Where(group => group.Count() > 1)
            .Select(group => string.Join(" = ", group.Select(input => input.Name)));
        Assert.Empty(twice);
        Assert.InRange(HostileInput.All.Count, 150, int.MaxValue);
    }

    [Fact]
    public void Every_body_cut_short_is_refused_unless_its_rest_is_optional()
    {
        foreach (var row in Page.Vectors.Table("Frames"))
        {
            var body = BodyOf(row[3]);
            var codec = VectorCodec.ByName[row[1]];
            for (var length = 0; length < body.Length && length < 600; length++)
            {
                try
                {
                    codec.Read(body.AsSpan(0, length));
                    // What may end early: payloads, and the fields of PING and PONG.
                    Assert.True(row[1] is "PUSH" or "SEND" || (row[1] is "PING" or "PONG" && length == 0), $"{row[0]} cut to {length} bytes was accepted");
                }
                catch (ProtocolException e)
                {
                    Assert.Equal(ReasonCode.BadFrame, e.Code);
                }
            }
        }
    }

    [Fact]
    public void Bytes_behind_the_known_fields_are_ignored()
    {
        foreach (var row in Page.Vectors.Table("Frames").Where(row => row[1] is not ("PUSH" or "SEND")))
        {
            var body = BodyOf(row[3]);
            // An empty PING or PONG has no fields that bytes could lie behind.
            if (body.Length == 0)
                continue;
            var codec = VectorCodec.ByName[row[1]];
            Assert.True(JsonNode.DeepEquals(codec.Read(body), codec.Read([.. body, 0xFF, 0x80, 0x00])), row[0]);
        }
    }

    [Fact]
    public void Random_bytes_never_throw_anything_but_a_protocol_exception()
    {
        var random = new Random(20260104);
        var frames = 0;
        for (var i = 0; i < 100_000; i++)
        {
            var bytes = new byte[random.Next(1, 80)];
            random.NextBytes(bytes);
            // A plausible header for most, so that the field readers are reached.
            if (i % 4 != 0 && bytes.Length > 2)
            {
                bytes[0] = (byte)random.Next(1, 24);
                bytes[1] = (byte)Math.Min(bytes.Length - 2, 127);
            }
            frames += ReadAll(bytes);
        }
        Assert.InRange(frames, 1_000, int.MaxValue);
    }

    [Fact]
    public void Changed_frames_never_throw_anything_but_a_protocol_exception()
    {
        var valid = Page.Vectors.Table("Frames").Select(row => Hex.Parse(row[3])).Where(frame => frame.Length <= 1_024).ToArray();
        var random = new Random(20260105);
        var frames = 0;
        for (var i = 0; i < 100_000; i++)
        {
            var bytes = valid[random.Next(valid.Length)].ToArray();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
            {
                // The header stays, so that the change hits a field.
                var at = bytes.Length > 2 ? random.Next(2, bytes.Length) : random.Next(bytes.Length);
                bytes[at] = random.Next(3) switch { 0 => (byte)random.Next(256), 1 => (byte)(bytes[at] ^ (1 << random.Next(8))), _ => 0xFF };
            }
            frames += ReadAll(bytes);
        }
        Assert.InRange(frames, 10_000, 99_999);
    }

    [Fact]
    public void Random_prefaces_never_throw_anything_but_a_protocol_exception()
    {
        var random = new Random(20260106);
        for (var i = 0; i < 100_000; i++)
        {
            byte[] bytes = [.. Preface.Magic[..random.Next(5)], .. RandomBytes(random, random.Next(8))];
            var input = new ReadOnlySequence<byte>(bytes);
            try
            {
                Preface.TryRead(ref input, out _);
            }
            catch (ProtocolException e)
            {
                Assert.Equal(ReasonCode.UnsupportedVersion, e.Code);
            }
        }
    }

    // Frames read; any exception but ProtocolException fails the test.
    private static int ReadAll(byte[] bytes)
    {
        var input = new ReadOnlySequence<byte>(bytes);
        var count = 0;
        try
        {
            while (FrameReader.TryRead(ref input, ProtocolLimits.DefaultClientBody, out var frame))
            {
                if (VectorCodec.ByOpcode.TryGetValue(frame.Opcode, out var codec))
                {
                    using var body = new FrameBody(frame.Body);
                    codec.Read(body.Span);
                    count++;
                }
            }
        }
        catch (ProtocolException e)
        {
            Assert.True(e.Code is ReasonCode.BadFrame or ReasonCode.FrameTooLarge, $"{e.Code} for {Hex.Format(bytes)}");
        }
        return count;
    }

    private static void Refuse(HostileInput input)
    {
        try
        {
            input.Read(new ReadOnlySequence<byte>(input.Bytes));
        }
        catch (ProtocolException)
        {
            return;
        }
        Assert.Fail($"{input.Name} was accepted");
    }

    private static byte[] BodyOf(string hex)
    {
        var input = new ReadOnlySequence<byte>(Hex.Parse(hex));
        Assert.True(FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame));
        return frame.Body.ToArray();
    }

    private static byte[] RandomBytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
