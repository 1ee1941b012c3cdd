using System.Buffers;
using PushSystem.Protocol.Tests.Vectors;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>Splitting into frames: the same result for every way in which bytes can arrive.</summary>
public sealed class FrameReaderTests
{
    private static readonly byte[][] AllFrames = [.. Page.Vectors.Table("Frames").Select(row => Hex.Parse(row[3]))];

    public static TheoryData<string> Names => [.. Page.Vectors.Table("Frames").Select(row => row[0])];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_frame_cut_at_any_offset_waits_and_leaves_the_input_untouched(string name)
    {
        var bytes = FrameOf(name);
        for (var length = 0; length < bytes.Length; length++)
        {
            var input = new ReadOnlySequence<byte>(bytes, 0, length);
            Assert.False(FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out _), $"{length} bytes of {bytes.Length}");
            Assert.Equal(length, input.Length);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_frame_in_two_segments_reads_as_the_whole_one_for_every_cut(string name)
    {
        var bytes = FrameOf(name);
        var whole = Read(new ReadOnlySequence<byte>(bytes));
        // A long payload adds only copies of the same cut, so its middle is left out.
        for (var cut = 0; cut <= bytes.Length; cut = cut == 64 && bytes.Length > 512 ? bytes.Length - 64 : cut + 1)
            Assert.Equal(whole, Read(Segments.CutAt(bytes, cut)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_frame_in_segments_of_one_byte_reads_as_the_whole_one(string name)
    {
        var bytes = FrameOf(name);
        Assert.Equal(Read(new ReadOnlySequence<byte>(bytes)), Read(Segments.OfOneByte(bytes)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_body_one_byte_over_the_limit_is_refused_before_it_arrives(string name)
    {
        var bytes = FrameOf(name);
        var whole = new ReadOnlySequence<byte>(bytes);
        Assert.True(FrameReader.TryRead(ref whole, ProtocolLimits.MaxServerBody, out var frame));
        var length = (int)frame.Body.Length;
        if (length == 0)
            return;
        var header = bytes.Length - length;

        var atLimit = new ReadOnlySequence<byte>(bytes);
        Assert.True(FrameReader.TryRead(ref atLimit, length, out _));

        var e = Assert.Throws<ProtocolException>(() =>
        {
            var onlyHeader = new ReadOnlySequence<byte>(bytes, 0, header);
            FrameReader.TryRead(ref onlyHeader, length - 1, out _);
        });
        Assert.Equal(ReasonCode.FrameTooLarge, e.Code);
        Assert.Contains($"{length - 1}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Frames_are_the_same_for_any_segmentation()
    {
        var stream = AllFrames.SelectMany(frame => frame).ToArray();
        var expected = Split(new ReadOnlySequence<byte>(stream));
        Assert.Equal(AllFrames.Length, expected.Count);
        var random = new Random(20260101);
        for (var round = 0; round < 50; round++)
        {
            var cuts = new int[random.Next(1, 400)];
            for (var i = 0; i < cuts.Length; i++)
                cuts[i] = random.Next(stream.Length + 1);
            Array.Sort(cuts);
            Assert.Equal(expected, Split(Segments.CutAt(stream, cuts)));
        }
    }

    [Fact]
    public void Frames_are_the_same_when_bytes_arrive_bit_by_bit()
    {
        var stream = AllFrames.SelectMany(frame => frame).ToArray();
        var expected = Split(new ReadOnlySequence<byte>(stream));
        var random = new Random(20260102);
        for (var round = 0; round < 10; round++)
        {
            var actual = new List<string>();
            var start = 0;
            for (var end = 0; end < stream.Length;)
            {
                end = Math.Min(stream.Length, end + random.Next(1, 600));
                var input = new ReadOnlySequence<byte>(stream, start, end - start);
                while (FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame))
                    actual.Add(Describe(frame));
                start = end - (int)input.Length;
            }
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void An_unknown_type_is_handed_on_so_that_it_can_be_skipped()
    {
        var input = new ReadOnlySequence<byte>([0x3F, 3, 1, 2, 3, 0x10, 0]);
        Assert.True(FrameReader.TryRead(ref input, 100, out var unknown));
        Assert.False(Enum.IsDefined(unknown.Opcode));
        Assert.False(unknown.Critical);
        Assert.True(FrameReader.TryRead(ref input, 100, out var ping));
        Assert.Equal(Opcode.Ping, ping.Opcode);
    }

    [Fact]
    public void The_critical_flag_is_told_and_is_not_part_of_the_type()
    {
        var input = new ReadOnlySequence<byte>([0x7F, 0, 0x50, 0]);
        Assert.True(FrameReader.TryRead(ref input, 100, out var unknown));
        Assert.True(unknown.Critical);
        Assert.Equal((Opcode)0x3F, unknown.Opcode);
        Assert.True(FrameReader.TryRead(ref input, 100, out var ping));
        Assert.True(ping.Critical);
        Assert.Equal(Opcode.Ping, ping.Opcode);
    }

    [Fact]
    public void A_body_in_one_segment_is_not_copied()
    {
        byte[] bytes = [0x3F, 3, 1, 2, 3];
        var input = new ReadOnlySequence<byte>(bytes);
        Assert.True(FrameReader.TryRead(ref input, 100, out var frame));
        using var body = new FrameBody(frame.Body);
        bytes[2] = 9;
        Assert.Equal(9, body.Span[0]);
    }

    [Fact]
    public void A_body_in_many_segments_is_made_contiguous()
    {
        byte[] bytes = [0x3F, 5, 1, 2, 3, 4, 5];
        var input = Segments.OfOneByte(bytes);
        Assert.True(FrameReader.TryRead(ref input, 100, out var frame));
        using var body = new FrameBody(frame.Body);
        Assert.Equal([1, 2, 3, 4, 5], body.Span.ToArray());
    }

    [Fact]
    public void An_empty_body_at_a_segment_boundary_is_empty()
    {
        var input = Segments.CutAt([0x10, 0, 0x11, 0], 2, 2);
        Assert.True(FrameReader.TryRead(ref input, 100, out var ping));
        using var body = new FrameBody(ping.Body);
        Assert.True(body.Span.IsEmpty);
        Assert.True(FrameReader.TryRead(ref input, 100, out var pong));
        Assert.Equal(Opcode.Pong, pong.Opcode);
    }

    [Fact]
    public void The_header_reader_wants_exactly_the_header()
    {
        byte[] header = [8, 0x80, 0x80, 1];
        for (var length = 0; length < header.Length; length++)
            Assert.False(FrameReader.TryReadHeader(header.AsSpan(0, length), 20_000, out _, out _, out _, out _));
        Assert.True(FrameReader.TryReadHeader(header, 20_000, out var opcode, out var critical, out var size, out var body));
        Assert.Equal((Opcode.Push, false, 4, 16_384), (opcode, critical, size, body));
    }

    private static byte[] FrameOf(string name) => Hex.Parse(Page.Vectors.Table("Frames").Single(row => row[0] == name)[3]);

    private static string Read(ReadOnlySequence<byte> input)
    {
        Assert.True(FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame));
        Assert.True(input.IsEmpty);
        return Describe(frame);
    }

    private static List<string> Split(ReadOnlySequence<byte> input)
    {
        var frames = new List<string>();
        while (FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame))
            frames.Add(Describe(frame));
        Assert.True(input.IsEmpty);
        return frames;
    }

    private static string Describe(Frame frame)
    {
        using var body = new FrameBody(frame.Body);
        return $"{frame.Opcode} {frame.Critical} {VectorCodec.ByOpcode[frame.Opcode].Read(body.Span).ToJsonString()}";
    }
}
