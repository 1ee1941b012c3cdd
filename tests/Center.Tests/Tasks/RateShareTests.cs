using PushSystem.Center.Tasks;
using Xunit;

namespace PushSystem.Center.Tests.Tasks;

public sealed class RateShareTests
{
    [Theory]
    [InlineData(0, new long[] { 5, 5 }, new[] { 0, 0 })]
    [InlineData(100, new long[] { }, new int[] { })]
    [InlineData(100, new long[] { 7 }, new[] { 100 })]
    [InlineData(100, new long[] { 1, 3 }, new[] { 25, 75 })]
    [InlineData(100, new long[] { 0, 0, 0 }, new[] { 34, 33, 33 })]
    [InlineData(10, new long[] { 1, 1_000_000 }, new[] { 1, 9 })]
    [InlineData(2, new long[] { 5, 5, 5 }, new[] { 1, 1, 1 })]
    [InlineData(10_000_000, new long[] { long.MaxValue / 4, long.MaxValue / 4 }, new[] { 5_000_000, 5_000_000 })]
    public void A_rate_is_shared_in_proportion_and_nobody_gets_none(int rate, long[] weights, int[] shares) =>
        Assert.Equal(shares, RateShare.Split(rate, weights));
}
