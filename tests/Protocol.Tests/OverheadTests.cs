using System.Buffers;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>The sizes that docs/protocol.md promises.</summary>
public sealed class OverheadTests
{
    [Theory]
    [InlineData(1, 100, 6)]
    [InlineData(127, 100, 6)]
    [InlineData(128, 1_000, 8)]
    [InlineData(2_097_151, 16_000, 8)]
    [InlineData(268_435_455, 16_000, 9)]
    [InlineData(2_097_151, 65_536, 9)]
    public void A_push_adds_at_most_nine_bytes(long seq, int payload, int expected)
    {
        foreach (var stream in new[] { StreamKind.Mailbox, StreamKind.Broadcast })
        {
            var output = new ArrayBufferWriter<byte>();
            new PushMessage { AppIndex = 15, Stream = stream, Seq = seq, Kind = PayloadKind.Json, Payload = new byte[payload] }.Write(output);
            Assert.InRange(output.WrittenCount - payload, 0, 9);
            Assert.InRange(output.WrittenCount - payload, 0, expected);
        }
    }

    [Fact]
    public void An_expiry_adds_five_bytes_until_the_year_2106()
    {
        var plain = new PushMessage { AppIndex = 0, Seq = 1 };
        var expiring = new PushMessage { AppIndex = 0, Seq = 1, ExpiresAt = uint.MaxValue };
        Assert.Equal(plain.BodySize + 5, expiring.BodySize);
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(60, 3)]
    [InlineData(127, 3)]
    [InlineData(240, 4)]
    [InlineData(16_383, 4)]
    [InlineData(86_400, 5)]
    public void A_ping_takes_two_to_four_bytes_below_four_and_a_half_hours(int interval, int expected)
    {
        var output = new ArrayBufferWriter<byte>();
        new PingMessage(interval).Write(output);
        Assert.Equal(expected, output.WrittenCount);
    }

    [Fact]
    public void A_pong_takes_two_bytes()
    {
        var output = new ArrayBufferWriter<byte>();
        default(PongMessage).Write(output);
        Assert.Equal(2, output.WrittenCount);
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(16_383, 6)]
    [InlineData(2_097_151, 7)]
    [InlineData(2_097_152, 8)]
    public void An_ack_of_a_whole_batch_takes_at_most_seven_bytes_for_the_first_two_million_messages(long seq, int expected)
    {
        var output = new ArrayBufferWriter<byte>();
        new AckMessage(63, StreamKind.Broadcast, 127, seq).Write(output);
        Assert.Equal(expected, output.WrittenCount);
    }

    [Fact]
    public void The_longest_login_that_keeps_every_limit_fits_the_default_limit_before_login()
    {
        var top = new StreamPosition(uint.MaxValue, ProtocolLimits.MaxSeq);
        var binding = new BindRequest(new string('a', 64), new string('u', 64), new byte[ProtocolLimits.MaxTicketBytes], true, top, top);
        var output = new ArrayBufferWriter<byte>();
        new LoginMessage(new string('d', 64), new string('s', 32), NetworkType.Wifi, (Features)long.MaxValue,
            ProtocolLimits.MaxIntervalSeconds, [.. Enumerable.Repeat(binding, ProtocolLimits.MaxBindings)]).Write(output);
        Assert.InRange(output.WrittenCount, 0, ProtocolLimits.DefaultLoginBody);
    }

    [Fact]
    public void An_upstream_message_with_the_longest_payload_fits_the_default_limit_after_login()
    {
        var output = new ArrayBufferWriter<byte>();
        new SendMessage
        {
            AppIndex = ProtocolLimits.MaxAppIndex,
            MessageId = ProtocolLimits.MaxSeq,
            Type = new string('t', 32),
            Payload = new byte[ProtocolLimits.DefaultMaxPayload],
        }.Write(output);
        Assert.InRange(output.WrittenCount - FrameHeader.MaxSize, 0, ProtocolLimits.DefaultClientBody);
    }
}
