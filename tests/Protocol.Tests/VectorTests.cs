using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text.Json.Nodes;
using PushSystem.Protocol.Tests.Vectors;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>Holds code and docs/protocol-vectors.md together.</summary>
public sealed class VectorTests
{
    public static TheoryData<string, string, string, string> Frames => Rows("Frames");

    public static TheoryData<string, string, string, string> ReadOnlyFrames =>
        Rows("Frames to be read only");

    public static TheoryData<string, string> Numbers
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var row in Page.Vectors.Table("Numbers"))
                data.Add(row[0], row[1]);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Numbers))]
    public void A_number_of_the_page_is_written_and_read(string value, string hex)
    {
        var number = long.Parse(value, CultureInfo.InvariantCulture);
        var expected = Hex.Parse(hex);
        var written = new byte[Varint.MaxBytes];

        Assert.Equal(expected, written[..Varint.Write(written, number)]);
        Assert.True(Varint.TryRead(expected, Varint.MaxBytes, out var read, out var used));
        Assert.Equal((number, expected.Length), (read, used));
    }

    [Fact]
    public void Every_preface_of_the_page_is_written_and_read()
    {
        foreach (var row in Page.Vectors.Table("Preface"))
        {
            var preface = new Preface(byte.Parse(row[1], CultureInfo.InvariantCulture), byte.Parse(row[2], CultureInfo.InvariantCulture));
            var output = new ArrayBufferWriter<byte>();
            preface.Write(output);
            Assert.Equal(Hex.Parse(row[3]), output.WrittenSpan.ToArray());

            var input = new ReadOnlySequence<byte>(Hex.Parse(row[3]));
            Assert.True(Preface.TryRead(ref input, out var read));
            Assert.Equal(preface, read);
            Assert.True(input.IsEmpty);
        }
    }

    [Theory]
    [MemberData(nameof(Frames))]
    public void A_frame_of_the_page_is_written_byte_for_byte(string name, string frame, string fields, string hex)
    {
        Assert.NotEmpty(name);
        Assert.Equal(Hex.Parse(hex), VectorCodec.ByName[frame].ToFrame(JsonNode.Parse(fields)!));
    }

    [Theory]
    [MemberData(nameof(Frames))]
    [MemberData(nameof(ReadOnlyFrames))]
    public void A_frame_of_the_page_is_read_field_for_field(string name, string frame, string fields, string hex)
    {
        var input = new ReadOnlySequence<byte>(Hex.Parse(hex));
        Assert.True(FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var read));
        Assert.True(input.IsEmpty);
        Assert.Equal(VectorCodec.ByName[frame].Opcode, read.Opcode);

        var expected = VectorFields.Normalize(JsonNode.Parse(fields)!);
        var actual = VectorCodec.ByName[frame].Read(read.Body.ToArray());
        Assert.True(JsonNode.DeepEquals(expected, actual), $"{name}: expected {expected.ToJsonString()}, was {actual.ToJsonString()}");
    }

    [Fact]
    public void The_page_has_a_vector_for_every_frame()
    {
        var seen = Page.Vectors.Table("Frames").Select(row => VectorCodec.ByName[row[1]].Opcode).ToHashSet();
        Assert.Equal(Enum.GetValues<Opcode>().Where(opcode => opcode != Opcode.None), seen.Order());
    }

    [Fact]
    public void Every_ticket_of_the_page_is_issued_and_accepted()
    {
        foreach (var row in Page.Vectors.Table("Tickets"))
        {
            var key = new TicketKey(uint.Parse(row[1], CultureInfo.InvariantCulture), Hex.Parse(row[2]));
            var expiry = DateTimeOffset.FromUnixTimeSeconds(long.Parse(row[6], CultureInfo.InvariantCulture));
            var ticket = Ticket.Issue(key, row[4], row[5], expiry, Hex.Parse(row[3]));

            Assert.Equal(Hex.Parse(row[7]), ticket);
            Assert.Equal(row[8], Base64Url.EncodeToString(ticket));
            Assert.True(Ticket.TryParseText(row[8], out var parsed));
            Assert.Equal(ticket, parsed);
            Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, [key], row[4], row[5], expiry - TimeSpan.FromSeconds(1)));
            Assert.Equal(ReasonCode.TicketExpired, Ticket.Verify(ticket, [key], row[4], row[5], expiry));
        }
    }

    [Fact]
    public void The_session_of_the_specification_consists_of_valid_frames()
    {
        foreach (var row in Page.Specification.Table("A session in bytes"))
        {
            var bytes = Hex.Parse(row[2]);
            var input = new ReadOnlySequence<byte>(bytes);
            if (row[1] == "preface")
            {
                Assert.True(Preface.TryRead(ref input, out var preface));
                Assert.Equal(Preface.Current, preface);
                continue;
            }
            Assert.True(FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame), row[1]);
            Assert.True(input.IsEmpty, $"{row[1]} has bytes behind it");
            var codec = VectorCodec.ByName[row[1]];
            Assert.Equal(codec.Opcode, frame.Opcode);
            Assert.Equal(bytes, codec.ToFrame(codec.Read(frame.Body.ToArray())));
        }
    }

    private static TheoryData<string, string, string, string> Rows(string heading)
    {
        var data = new TheoryData<string, string, string, string>();
        foreach (var row in Page.Vectors.Table(heading))
            data.Add(row[0], row[1], row[2], row[3]);
        return data;
    }
}
