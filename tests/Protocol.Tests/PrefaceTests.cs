using System.Buffers;
using Xunit;

namespace PushSystem.Protocol.Tests;

public sealed class PrefaceTests
{
    private static readonly byte[] Valid = [.. "PUSH"u8, 1, 3];

    [Fact]
    public void A_preface_cut_at_any_offset_waits_and_leaves_the_input_untouched()
    {
        for (var length = 0; length < Valid.Length; length++)
        {
            var input = new ReadOnlySequence<byte>(Valid, 0, length);
            Assert.False(Preface.TryRead(ref input, out _));
            Assert.Equal(length, input.Length);
        }
    }

    [Fact]
    public void A_preface_in_segments_of_one_byte_is_read_and_frames_follow()
    {
        var input = Segments.OfOneByte([.. Valid, 0x10, 0]);
        Assert.True(Preface.TryRead(ref input, out var preface));
        Assert.Equal(new Preface(1, 3), preface);
        Assert.True(FrameReader.TryRead(ref input, 10, out var frame));
        Assert.Equal(Opcode.Ping, frame.Opcode);
    }

    [Fact]
    public void Every_wrong_magic_byte_is_refused_when_it_arrives()
    {
        for (var i = 0; i < 4; i++)
        {
            for (var value = 0; value < 256; value++)
            {
                if (value == Valid[i])
                    continue;
                byte[] bytes = [.. Valid[..i], (byte)value];
                var e = Assert.Throws<ProtocolException>(() =>
                {
                    var input = new ReadOnlySequence<byte>(bytes);
                    Preface.TryRead(ref input, out _);
                });
                Assert.Equal(ReasonCode.UnsupportedVersion, e.Code);
            }
        }
    }

    [Fact]
    public void Every_pair_of_versions_is_either_a_range_or_refused()
    {
        for (var lowest = 0; lowest < 256; lowest++)
        {
            for (var highest = 0; highest < 256; highest++)
            {
                byte[] bytes = [.. "PUSH"u8, (byte)lowest, (byte)highest];
                var input = new ReadOnlySequence<byte>(bytes);
                if (lowest >= 1 && highest >= lowest)
                {
                    Assert.True(Preface.TryRead(ref input, out var preface));
                    Assert.Equal(new Preface((byte)lowest, (byte)highest), preface);
                }
                else
                {
                    var e = Assert.Throws<ProtocolException>(() => Preface.TryRead(ref input, out _));
                    Assert.Equal(ReasonCode.UnsupportedVersion, e.Code);
                }
            }
        }
    }

    [Theory]
    [InlineData(1, 1, 1, 1, 1)]
    [InlineData(1, 3, 1, 2, 2)]
    [InlineData(2, 5, 1, 9, 5)]
    [InlineData(3, 5, 5, 9, 5)]
    [InlineData(2, 3, 1, 1, 0)]
    [InlineData(1, 1, 2, 3, 0)]
    [InlineData(255, 255, 1, 255, 255)]
    public void The_highest_common_version_is_chosen(byte clientLow, byte clientHigh, byte serverLow, byte serverHigh, byte expected) =>
        Assert.Equal(expected, new Preface(clientLow, clientHigh).Negotiate(serverLow, serverHigh));
}
