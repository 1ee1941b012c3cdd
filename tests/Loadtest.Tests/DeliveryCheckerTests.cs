using PushSystem.Loadtest.Checks;
using PushSystem.Protocol;
using Xunit;

namespace PushSystem.Loadtest.Tests;

/// <summary>Each fault is seeded into an otherwise clean run, and found as what it is.</summary>
public sealed class DeliveryCheckerTests
{
    private const uint Run = 0xABCD;
    private static readonly uint App = PayloadStamp.HashOf("shop");
    private readonly CheckCounts _counts = new();
    private readonly DeliveryChecker _checker = new(Run, App, users: 3, broadcast: false, guaranteed: true);

    [Fact]
    public void A_clean_run_is_clean()
    {
        Accept(0, 1, 2, 3);
        Accept(1, 1);
        Deliver(0, 1, 2, 3);
        Deliver(1, 1);
        var verdict = Judge();
        Assert.True(verdict.Clean);
        Assert.Equal(4, verdict.Counts.Received);
        Assert.Equal(0, _checker.Missing());
    }

    [Fact]
    public void A_lost_message_is_found_and_named()
    {
        Accept(1, 1, 2, 3, 4);
        Deliver(1, 1, 2, 4);
        Assert.Equal(1, _checker.Missing());
        var verdict = Judge();
        Assert.False(verdict.Clean);
        Assert.Equal(1, verdict.Lost);
        Assert.Equal("user 1: 1 lost, the first is number 3", Assert.Single(verdict.Examples));
    }

    [Fact]
    public void A_message_under_another_position_is_a_duplicate()
    {
        Accept(0, 1, 2);
        Deliver(0, 1, 2, 1);
        var verdict = Judge();
        Assert.False(verdict.Clean);
        Assert.Equal(1, verdict.Counts.Duplicates);
        Assert.Equal(0, verdict.Reordered);
    }

    [Fact]
    public void A_message_behind_a_later_one_is_reordered()
    {
        Accept(0, 1, 2, 3);
        Deliver(0, 1, 3, 2);
        var verdict = Judge();
        Assert.False(verdict.Clean);
        Assert.Equal((1, 0), (verdict.Reordered, verdict.Lost));
    }

    [Fact]
    public void A_message_whose_request_broke_off_may_come_late_or_never()
    {
        Accept(0, 1, 3);
        _checker.Sending(0, 3);
        _checker[0].Unknown.Add(2);
        Deliver(0, 1, 3, 2);
        Accept(1, 1);
        _checker.Sending(1, 2);
        _checker[1].Unknown.Add(2);
        Deliver(1, 1);
        Assert.True(Judge().Clean);
    }

    [Fact]
    public void Another_users_message_is_foreign()
    {
        Accept(0, 1);
        Deliver(0, 1);
        Assert.False(_checker.Receive(2, Payload(Run, App, user: 0, number: 1), _counts, out _));
        var verdict = Judge();
        Assert.False(verdict.Clean);
        Assert.Equal(1, verdict.Counts.Foreign);
    }

    [Fact]
    public void Another_apps_message_is_foreign()
    {
        Assert.False(_checker.Receive(0, Payload(Run, PayloadStamp.HashOf("bank"), user: 0, number: 1), _counts, out _));
        Assert.Equal(1, Judge().Counts.Foreign);
    }

    [Fact]
    public void Bytes_that_are_not_the_harnesss_are_unexpected()
    {
        Assert.False(_checker.Receive(0, "hello"u8, _counts, out _));
        var broken = Payload(Run, App, 0, 1);
        broken[30] = (byte)'x';
        Assert.False(_checker.Receive(0, broken, _counts, out _));
        var verdict = Judge();
        Assert.False(verdict.Clean);
        Assert.Equal(2, verdict.Unexpected);
    }

    [Fact]
    public void A_message_that_was_never_sent_is_unexpected()
    {
        Accept(0, 1);
        Deliver(0, 1);
        Assert.False(_checker.Receive(0, Payload(Run, App, 0, 2), _counts, out _));
        Assert.Equal(1, Judge().Unexpected);
    }

    [Fact]
    public void A_message_that_was_refused_and_comes_all_the_same_is_unexpected()
    {
        Accept(0, 1, 3);
        _checker.Sending(0, 3);
        Deliver(0, 1, 2, 3);
        var verdict = Judge();
        Assert.False(verdict.Clean);
        Assert.Equal(1, verdict.Unexpected);
    }

    [Fact]
    public void A_message_of_an_earlier_run_is_stale_and_no_fault()
    {
        Assert.False(_checker.Receive(0, Payload(Run + 1, App, 0, 99), _counts, out _));
        var verdict = Judge();
        Assert.True(verdict.Clean);
        Assert.Equal(1, verdict.Counts.Stale);
    }

    [Fact]
    public void What_a_reset_announced_is_covered_and_not_more()
    {
        Accept(0, 1, 2, 3, 4, 5);
        Deliver(0, 1);
        _checker.Cover(0, 3, ResetReason.Overflow);
        Deliver(0, 5);
        var verdict = Judge();
        Assert.True(verdict.Clean);
        Assert.Equal(3, verdict.Covered);
        Accept(1, 1, 2, 3);
        _checker.Cover(1, 2, ResetReason.Expired);
        Assert.Equal(1, Judge().Lost);
    }

    [Fact]
    public void A_reset_for_lost_data_covers_everything_that_is_missing_of_the_user()
    {
        Accept(0, 1, 2, 3);
        _checker.Cover(0, 0, ResetReason.DataLoss);
        Accept(1, 1);
        var verdict = Judge();
        Assert.Equal((1, 3), (verdict.Lost, verdict.Covered));
    }

    [Fact]
    public void A_gap_without_a_reset_breaks_the_run() => Assert.False(_checker.Judge([_counts], streamGaps: 1).Clean);

    [Fact]
    public void Nothing_is_promised_at_the_transient_level()
    {
        var transient = new DeliveryChecker(Run, App, 1, broadcast: false, guaranteed: false);
        transient.Sending(0, 3);
        Assert.True(transient.Receive(0, Payload(Run, App, 0, 1), _counts, out _));
        Assert.Equal(0, transient.Missing());
        Assert.True(transient.Judge([_counts], 0).Clean);
    }

    [Fact]
    public void A_broadcast_must_reach_every_user_once()
    {
        var checker = new DeliveryChecker(Run, App, users: 3, broadcast: true, guaranteed: true);
        checker.Sending(0, 2);
        checker[0].Accepted.Add(1);
        checker[0].Accepted.Add(2);
        foreach (var user in (int[])[0, 1, 2])
        {
            Assert.True(checker.Receive(user, Broadcast(1), _counts, out _));
            if (user != 1)
                Assert.True(checker.Receive(user, Broadcast(2), _counts, out _));
        }
        Assert.False(checker.Receive(2, Broadcast(2), _counts, out _));
        var verdict = checker.Judge([_counts], 0);
        Assert.Equal((1, 1, 5), (verdict.Lost, verdict.Counts.Duplicates, verdict.Counts.Received));
    }

    [Fact]
    public void Stamps_come_back_as_written_at_every_edge()
    {
        foreach (var stamp in (PayloadStamp[])[new(0, 0, (byte)'u', 0, 1, 0), new(uint.MaxValue, 7, (byte)'b', int.MaxValue, (1L << 48) - 1, long.MaxValue)])
        {
            var payload = new byte[PayloadStamp.Size + 9];
            stamp.Write(payload);
            Assert.True(PayloadStamp.TryRead(payload, out var read));
            Assert.Equal(stamp, read);
            Assert.All(payload, b => Assert.InRange(b, (byte)' ', (byte)'~'));
            Assert.False(PayloadStamp.TryRead(payload.AsSpan(0, PayloadStamp.Size - 1), out _));
        }
    }

    [Fact]
    public void The_bit_log_agrees_with_a_set()
    {
        var random = new Random(5);
        var (left, right) = (new BitLog(), new BitLog());
        var (leftSet, rightSet) = (new SortedSet<long>(), new SortedSet<long>());
        for (var i = 0; i < 5_000; i++)
        {
            var number = random.NextInt64(1, 3_000);
            if (i % 2 == 0)
                Assert.Equal(leftSet.Add(number), left.Add(number));
            else
                Assert.Equal(rightSet.Add(number), right.Add(number));
        }
        var missing = leftSet.Except(rightSet).Order().ToArray();
        Assert.Equal(missing.Length, left.CountMissingIn(right));
        Assert.Equal(missing.First(), left.FirstMissingIn(right));
        Assert.Equal(leftSet.Max, left.Highest);
        Assert.Equal(0, left.FirstMissingIn(left));
        Assert.Equal(0, new BitLog().Highest);
        Assert.Throws<ArgumentOutOfRangeException>(() => left.Add(0));
    }

    private void Accept(int user, params long[] numbers)
    {
        foreach (var number in numbers)
        {
            _checker.Sending(user, number);
            _checker[user].Accepted.Add(number);
        }
    }

    private void Deliver(int user, params long[] numbers)
    {
        foreach (var number in numbers)
            _checker.Receive(user, Payload(Run, App, user, number), _counts, out _);
    }

    private CheckVerdict Judge() => _checker.Judge([_counts], streamGaps: 0);

    private static byte[] Broadcast(long number)
    {
        var payload = new byte[80];
        new PayloadStamp(Run, App, PayloadStamp.Broadcast, 0, number, 5).Write(payload);
        return payload;
    }

    private static byte[] Payload(uint run, uint app, int user, long number)
    {
        var payload = new byte[80];
        new PayloadStamp(run, app, PayloadStamp.Unicast, user, number, 5).Write(payload);
        return payload;
    }
}
