using PushSystem.Protocol;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Tests.Sql;

public sealed class SkipListTests
{
    [Fact]
    public void Neighbours_of_one_reason_become_one_range_from_both_sides()
    {
        var list = SkipList.Empty.Add(1, 2, ResetReason.Overflow).Add(5, 6, ResetReason.Overflow).Add(3, 4, ResetReason.Overflow);

        Assert.Equal([new SkipRange(1, 6, ResetReason.Overflow)], list.Ranges);
    }

    [Fact]
    public void Neighbours_of_different_reasons_stay_apart()
    {
        var list = SkipList.Empty.Add(2, 2, ResetReason.Expired).Add(1, 1, ResetReason.Overflow).Add(3, 3, ResetReason.Poison);

        Assert.Equal([ResetReason.Overflow, ResetReason.Expired, ResetReason.Poison], list.Ranges.Select(range => range.Reason));
    }

    [Fact]
    public void Random_additions_agree_with_a_plain_map()
    {
        var random = new Random(11);
        var plain = new SortedDictionary<long, ResetReason>();
        var list = SkipList.Empty;
        foreach (var seq in Enumerable.Range(1, 500).OrderBy(_ => random.Next()).Take(400))
        {
            var reason = random.Next(2) == 0 ? ResetReason.Overflow : ResetReason.Expired;
            plain[seq] = reason;
            list = list.Add(seq, seq, reason);
        }

        for (var seq = 0; seq <= 502; seq++)
        {
            Assert.Equal(plain.ContainsKey(seq), list.Covers(seq));
            if (list.TryFind(seq, out var range))
                Assert.Equal(plain[seq], range.Reason);
        }
        Assert.All(list.Ranges.Zip(list.Ranges.Skip(1)), pair => Assert.True(
            pair.First.To < pair.Second.From && (pair.First.To + 1 < pair.Second.From || pair.First.Reason != pair.Second.Reason)));
        Assert.Equal(plain.Keys.Max(), list.Last);
    }

    [Fact]
    public void Only_what_lies_below_the_acknowledged_is_forgotten()
    {
        var list = SkipList.Empty;
        for (var seq = 1; seq <= 400; seq += 2)
            list = list.Add(seq, seq, ResetReason.Poison);

        var (same, nothing) = list.Trim(0);
        Assert.Equal((200, 0), (same.Ranges.Length, nothing));
        var (trimmed, forgotten) = list.Trim(100);
        Assert.Equal((150, 99), (trimmed.Ranges.Length, forgotten));
        Assert.Equal(SkipList.MaxRemembered, list.Trim(400).List.Ranges.Length);
    }
}
