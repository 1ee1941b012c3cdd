using PushSystem.Contracts;
using PushSystem.Dispatcher.Routes;
using Xunit;

namespace PushSystem.Dispatcher.Tests;

/// <summary>Fixed values: a change of the hash would move every user of every cluster to another room during an upgrade.</summary>
public sealed class StableHashTests
{
    [Theory]
    [InlineData("", 0xefd01f60ba992926)]
    [InlineData("a", 0x82a2a958a9bece5b)]
    [InlineData("room-1", 0x656bb5e56c350c3f)]
    [InlineData("ä😀", 0x345dcafce15cf0d4)]
    public void The_hash_of_a_text_never_changes(string text, ulong hash)
    {
        Assert.Equal(hash, StableHash.Of(text));
        Assert.Equal(hash, StableHash.Of(System.Text.Encoding.UTF8.GetBytes(text)));
    }

    [Fact]
    public void The_hash_of_a_pair_never_changes_and_knows_the_order()
    {
        Assert.Equal(0x7b0593fa2b841a6aUL, StableHash.Pair(1, 2));
        Assert.NotEqual(StableHash.Pair(1, 2), StableHash.Pair(2, 1));
    }

    [Fact]
    public void Units_lie_between_0_and_1()
    {
        Assert.InRange(StableHash.Unit(0), double.Epsilon, 1e-15);
        Assert.InRange(StableHash.Unit(ulong.MaxValue), 1 - 1e-15, 1 - 1e-17);
    }

    [Fact]
    public void Every_bit_of_the_hash_depends_on_every_character()
    {
        for (var bit = 0; bit < 64; bit++)
        {
            var ones = Enumerable.Range(0, 4_000).Count(i => ((StableHash.Of($"user-{i}") >> bit) & 1) == 1);
            Assert.InRange(ones, 1_800, 2_200);
        }
    }
}
