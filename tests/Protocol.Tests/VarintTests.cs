using Xunit;

namespace PushSystem.Protocol.Tests;

public sealed class VarintTests
{
    public static TheoryData<int> Bits => [.. Enumerable.Range(0, 63)];

    [Theory]
    [MemberData(nameof(Bits))]
    public void Values_around_every_power_of_two_come_back(int bit)
    {
        Span<byte> buffer = stackalloc byte[Varint.MaxBytes];
        foreach (var value in new[] { (1L << bit) - 1, 1L << bit, (1L << bit) + 1 })
        {
            var size = Varint.Write(buffer, value);
            Assert.Equal(Varint.SizeOf(value), size);
            Assert.True(Varint.TryRead(buffer[..size], Varint.MaxBytes, out var read, out var used));
            Assert.Equal((value, size), (read, used));
            for (var length = 0; length < size; length++)
                Assert.False(Varint.TryRead(buffer[..length], Varint.MaxBytes, out _, out _));
        }
    }

    [Fact]
    public void The_largest_value_takes_nine_bytes()
    {
        Span<byte> buffer = stackalloc byte[Varint.MaxBytes];
        Assert.Equal(9, Varint.Write(buffer, long.MaxValue));
        Assert.True(Varint.TryRead(buffer, Varint.MaxBytes, out var read, out _));
        Assert.Equal(long.MaxValue, read);
    }

    [Fact]
    public void Bytes_behind_a_number_are_left_alone()
    {
        Assert.True(Varint.TryRead([0x05, 0xFF], Varint.MaxBytes, out var value, out var used));
        Assert.Equal((5, 1), (value, used));
    }

    [Fact]
    public void Of_all_two_byte_patterns_exactly_the_shortest_forms_are_accepted()
    {
        var seen = new HashSet<long>();
        Span<byte> bytes = stackalloc byte[2];
        for (var pattern = 0; pattern < 1 << 16; pattern++)
        {
            bytes[0] = (byte)pattern;
            bytes[1] = (byte)(pattern >> 8);
            // What the definition says, computed without the reader.
            var oneByte = bytes[0] < 0x80;
            var twoBytes = !oneByte && bytes[1] is > 0 and < 0x80;
            if (!oneByte && !twoBytes)
            {
                var copy = bytes.ToArray();
                Assert.Throws<ProtocolException>(() => Varint.TryRead(copy, 2, out _, out _));
                continue;
            }
            Assert.True(Varint.TryRead(bytes, 2, out var value, out var used));
            Assert.Equal(oneByte ? bytes[0] : (bytes[0] & 0x7F) + 128 * bytes[1], value);
            Assert.Equal(oneByte ? 1 : 2, used);
            seen.Add(value);
        }
        Assert.Equal(1 << 14, seen.Count);
    }

    [Theory]
    [InlineData(new byte[] { 0x80, 0x00 })]
    [InlineData(new byte[] { 0xFF, 0x80, 0x00 })]
    [InlineData(new byte[] { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 })]
    public void A_longer_form_of_a_value_is_refused(byte[] bytes)
    {
        var e = Assert.Throws<ProtocolException>(() => Varint.TryRead(bytes, Varint.MaxBytes, out _, out _));
        Assert.Equal(ReasonCode.BadFrame, e.Code);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(9)]
    public void A_value_longer_than_allowed_is_refused_at_its_last_allowed_byte(int maxBytes)
    {
        var bytes = Enumerable.Repeat((byte)0xFF, maxBytes).ToArray();
        var e = Assert.Throws<ProtocolException>(() => Varint.TryRead(bytes, maxBytes, out _, out _));
        Assert.Equal(ReasonCode.BadFrame, e.Code);
        Assert.False(Varint.TryRead(bytes.AsSpan(0, maxBytes - 1), maxBytes, out _, out _));
    }

    [Fact]
    public void More_than_63_bits_cannot_be_asked_for() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Varint.TryRead(Enumerable.Repeat((byte)0xFF, 10).ToArray(), 10, out _, out _));

    [Fact]
    public void A_negative_value_cannot_be_written()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Varint.Write(new byte[10], -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Varint.SizeOf(long.MinValue));
    }
}
