using PushSystem.Rpc.Calls;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>The table of calls in flight: each call is claimed once, and ids do not come back.</summary>
public sealed class InFlightTableTests
{
    [Fact]
    public void A_call_is_claimed_once()
    {
        var table = new InFlightTable<string>(10);
        var id = table.Take("call", 100);
        Assert.True(id > 0);
        Assert.True(table.TryClaim(id, out var call));
        Assert.Equal("call", call);
        Assert.False(table.TryClaim(id, out _));
    }

    [Fact]
    public void An_old_id_never_meets_a_newer_call_in_the_same_slot()
    {
        var table = new InFlightTable<string>(1);
        var ids = new HashSet<long>();
        for (var i = 0; i < 1_000; i++)
        {
            var id = table.Take("call", 100);
            Assert.True(ids.Add(id));
            foreach (var old in ids.Where(old => old != id))
                Assert.False(table.TryClaim(old, out _));
            Assert.True(table.TryClaim(id, out _));
        }
    }

    [Fact]
    public void It_holds_as_many_calls_as_it_may()
    {
        var table = new InFlightTable<string>(300);
        var ids = Enumerable.Range(0, 300).Select(i => table.Take($"{i}", 100)).ToList();
        Assert.Equal(300, ids.Distinct().Count());
        Assert.DoesNotContain(0, ids);
        Assert.Equal(0, table.Take("one more", 100));
        Assert.True(table.TryClaim(ids[17], out var call));
        Assert.Equal("17", call);
        Assert.NotEqual(0, table.Take("in its place", 100));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    [InlineData(1)]
    [InlineData(0x1_0000_0000)]
    [InlineData(0x1_0000_0002)]
    [InlineData(0x1_7FFF_FFFF)]
    [InlineData(0x1_FFFF_FFFF)]
    public void Any_id_may_be_asked_for(long id)
    {
        var table = new InFlightTable<string>(300);
        var taken = table.Take("call", 100);
        Assert.False(table.TryClaim(id, out _));
        Assert.True(table.TryClaim(taken, out _));
    }

    [Fact]
    public void Those_that_are_due_expire_and_no_others()
    {
        var table = new InFlightTable<string>(1_000);
        var expired = new List<string>();
        for (var i = 0; i < 600; i++)
            table.Take($"{i}", 1_000 + i);
        table.ClaimExpired(999, expired.Add);
        Assert.Empty(expired);
        table.ClaimExpired(1_000, expired.Add);
        Assert.Equal(["0"], expired);
        // An earlier one that comes later is not overlooked.
        table.Take("early", 1_001);
        table.ClaimExpired(1_001, expired.Add);
        Assert.Equal(["0", "1", "early"], expired.Order());
        table.ClaimExpired(5_000, expired.Add);
        Assert.Equal(601, expired.Distinct().Count());
    }

    [Fact]
    public async Task Everybody_who_claims_at_once_claims_each_call_once()
    {
        const int Calls = 200_000, Takers = 4;
        var table = new InFlightTable<int[]>(64);
        var ids = new System.Collections.Concurrent.ConcurrentQueue<long>();
        var claimed = 0;
        var over = false;
        var takers = Enumerable.Range(0, Takers).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < Calls / Takers;)
            {
                var id = table.Take([0], i % 3 == 0 ? 0 : long.MaxValue);
                if (id == 0)
                {
                    Thread.Yield();
                    continue;
                }
                ids.Enqueue(id);
                i++;
            }
        })).ToArray();
        void Count(int[] call)
        {
            Assert.Equal(1, Interlocked.Increment(ref call[0]));
            Interlocked.Increment(ref claimed);
        }
        var claimers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            while (!Volatile.Read(ref over) || !ids.IsEmpty)
            {
                if (!ids.TryDequeue(out var id))
                    Thread.Yield();
                else if (table.TryClaim(id, out var call))
                    Count(call);
            }
        })).Append(Task.Run(() =>
        {
            while (!Volatile.Read(ref over))
                table.ClaimExpired(1, Count);
        })).ToArray();
        await Waiting.For(Task.WhenAll(takers), "the takers");
        Volatile.Write(ref over, true);
        await Waiting.For(Task.WhenAll(claimers), "the claimers");
        table.ClaimAll((call, _) => Count(call));
        Assert.Equal(Calls, claimed);
        Assert.Equal(64, Enumerable.Range(0, 100).Count(_ => table.Take([0], 1) != 0));
    }
}
