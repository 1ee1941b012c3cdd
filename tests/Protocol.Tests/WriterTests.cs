using System.Buffers;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>What a writer does with input that has no place on the wire.</summary>
public sealed class WriterTests
{
    [Fact]
    public void Half_a_surrogate_pair_is_refused_instead_of_becoming_another_id()
    {
        var output = new ArrayBufferWriter<byte>();
        var binding = new BindRequest("app", "user\uD800", default, false, default, default);
        Assert.ThrowsAny<ArgumentException>(() => new BindMessage(1, binding).Write(output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void A_body_longer_than_any_length_can_say_is_refused_and_nothing_is_written()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new PushMessage { AppIndex = 0, Seq = 1, Payload = new byte[ProtocolLimits.MaxEncodableBody] }.Write(output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void The_longest_body_that_a_length_can_say_is_written_and_read()
    {
        var output = new ArrayBufferWriter<byte>();
        new PushMessage { AppIndex = 0, Seq = 1, Payload = new byte[ProtocolLimits.MaxEncodableBody - 3] }.Write(output);
        var input = new ReadOnlySequence<byte>(output.WrittenMemory);
        Assert.True(FrameReader.TryRead(ref input, int.MaxValue, out var frame));
        Assert.Equal(ProtocolLimits.MaxEncodableBody, frame.Body.Length);
    }

    [Fact]
    public void A_negative_number_is_refused()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<ArgumentOutOfRangeException>(() => new AckMessage(0, StreamKind.Mailbox, 0, -1).Write(output));
        Assert.Throws<ArgumentOutOfRangeException>(() => new UnbindMessage(-1).Write(output, Opcode.Unbind));
        Assert.Equal(0, output.WrittenCount);
    }

    [Theory]
    [InlineData("line\nbreak \u001b[31m \u009b", "line?break ?[31m ?")]
    [InlineData("plain – text", "plain – text")]
    [InlineData("", "")]
    public void An_error_reaches_the_peer_whatever_its_text_is(string text, string expected) => Assert.Equal(expected, ErrorText(text));

    // Not a theory's data: attributes cannot carry half a surrogate pair.
    [Fact]
    public void Half_a_surrogate_pair_in_an_error_text_is_replaced() => Assert.Equal("half \uFFFD pair", ErrorText("half \uD800 pair"));

    [Fact]
    public void A_long_error_text_is_cut_between_characters()
    {
        Assert.Equal(new string('x', 255), ErrorText(new string('x', 1_000)));
        Assert.Equal(new string('x', 253), ErrorText(new string('x', 253) + "€€"));
        Assert.Equal(new string('x', 252) + "€", ErrorText(new string('x', 252) + "€€"));
        Assert.Equal(new string('x', 252), ErrorText(new string('x', 252) + "😀"));
    }

    private static string ErrorText(string text)
    {
        var output = new ArrayBufferWriter<byte>();
        new ErrorMessage(ReasonCode.BadFrame, ReconnectAdvice.BackOff, 0, text).Write(output);
        var input = new ReadOnlySequence<byte>(output.WrittenMemory);
        Assert.True(FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame));
        return ErrorMessage.Read(frame.Body.ToArray()).Text;
    }
}
