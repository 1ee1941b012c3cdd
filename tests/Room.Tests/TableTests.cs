using PushSystem.Contracts;
using PushSystem.Room.Connections;
using PushSystem.Room.Delivery;
using PushSystem.Room.Sessions;
using PushSystem.TestSupport;
using PushSystem.Transport;

namespace PushSystem.Room.Tests;

public class TableTests
{
    private static readonly UserKey Key = new("a", "u");

    [Fact]
    public void A_freed_slot_is_reused_under_another_generation()
    {
        var table = new SlotTable<int>();
        var slot = table.Allocate(out var first);
        table[slot] = 5;
        table.Free(slot);
        Assert.False(table.IsLive(slot, first));
        Assert.False(table.IsUsed(slot));
        Assert.Equal(slot, table.Allocate(out var second));
        Assert.NotEqual(first, second);
        Assert.Equal(0, table[slot]);
        Assert.True(table.IsLive(slot, second));
        Assert.False(table.IsLive(slot, second + 1));
        Assert.False(table.IsLive(-1, 1));
        Assert.False(table.IsLive(1_000_000, 1));
    }

    [Fact]
    public void Cells_stay_in_place_while_the_table_grows()
    {
        var table = new SlotTable<long>();
        var slot = table.Allocate(out _);
        ref var value = ref table[slot];
        for (var i = 0; i < 2_000; i++)
            table.Allocate(out _);
        value = 42;
        Assert.Equal(42, table[slot]);
        Assert.Equal(2_001, table.Count);
    }

    [Fact]
    public void A_stale_connection_reference_finds_nothing()
    {
        var table = new ConnectionTable();
        var old = new ConnectionRef(700, 3);
        table.Open(old).SentBytes = 9;
        table.Close(old);
        var next = new ConnectionRef(700, 4);
        Assert.Equal(0, table.Open(next).SentBytes);
        Assert.True(System.Runtime.CompilerServices.Unsafe.IsNullRef(ref table.Find(old)));
        table.Close(old);
        Assert.Equal(1, table.Count);
        Assert.Equal(next, table.At(700));
        Assert.Equal(ConnectionRef.None, table.At(699));
    }

    [Fact]
    public void The_index_keeps_several_sessions_of_a_user_apart()
    {
        var index = new SessionIndex();
        SessionRef one = new(0, 1, 1), two = new(1, 1, 1), three = new(0, 2, 5);
        Assert.False(index.TryFind(Key, out _, out _));
        index.Add(Key, one);
        index.Add(Key, two);
        index.Add(Key, three);
        Assert.True(index.Replace(Key, two, new SessionRef(2, 9, 9)));
        Assert.False(index.Replace(Key, two, one));
        Assert.True(index.Remove(Key, one));
        Assert.False(index.Remove(Key, one));
        Assert.True(index.TryFind(Key, out var first, out var others));
        Assert.Equal([new SessionRef(2, 9, 9), three], [first, .. others!]);
        Assert.True(index.Remove(Key, three));
        Assert.True(index.Replace(Key, new SessionRef(2, 9, 9), one));
        Assert.True(index.Remove(Key, one));
        Assert.False(index.TryFind(Key, out _, out _));
    }

    [Fact]
    public void A_walk_from_the_end_meets_everyone_who_was_there_and_stays()
    {
        var random = new Random(3);
        for (var round = 0; round < 200; round++)
        {
            var app = new ShardApp("a");
            var places = Enumerable.Range(0, 20).ToDictionary(session => session, app.Add);
            var expected = places.Keys.ToHashSet();
            var met = new HashSet<int>();
            var next = 100;
            for (var cursor = app.Count - 1; cursor >= 0; cursor--)
            {
                cursor = Math.Min(cursor, app.Count - 1);
                if (cursor < 0)
                    break;
                met.Add(app[cursor]);
                if (random.Next(2) == 0 && places.Count > 0)
                {
                    var gone = places.Keys.ElementAt(random.Next(places.Count));
                    var moved = app.RemoveAt(places[gone]);
                    if (moved >= 0)
                        places[moved] = places[gone];
                    places.Remove(gone);
                    expected.Remove(gone);
                }
                if (random.Next(3) == 0)
                    places[next] = app.Add(next++);
            }
            Assert.Subset(met, expected);
        }
    }

    [Fact]
    public void A_rate_is_kept_over_time_and_bounded_after_a_pause()
    {
        var clock = new FakeClock();
        var budget = new RateBudget(clock, 100);
        var taken = 0;
        for (var i = 0; i < 100; i++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            taken += budget.Take(1000);
        }
        Assert.InRange(taken, 990, 1010);
        clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(20, budget.Take(1000));
        budget.Return(5);
        Assert.Equal(5, budget.Take(1000));
        budget.Rate = 0;
        Assert.Equal(1000, budget.Take(1000));
    }

    [Fact]
    public void A_resume_ticket_opens_only_whole_in_time_and_where_it_was_sealed()
    {
        var clock = new FakeClock();
        var tickets = new ResumeTickets(new RoomIdentity("room", 1), clock, TimeSpan.FromMinutes(1));
        var target = new ResumeTarget(3, new ClientRef(70_000, 9), ulong.MaxValue - 1);
        var ticket = tickets.Seal(target);
        Assert.Equal(ResumeTickets.Size, ticket.Length);
        Assert.True(tickets.TryOpen(ticket, out var opened));
        Assert.Equal(target, opened);
        for (var i = 0; i < ticket.Length; i++)
        {
            var forged = (byte[])ticket.Clone();
            forged[i] ^= 0x40;
            Assert.False(tickets.TryOpen(forged, out _), $"byte {i} was changed");
            Assert.False(tickets.TryOpen(ticket.AsSpan(0, i), out _), $"cut to {i}");
        }
        Assert.False(tickets.TryOpen([.. ticket, 0], out _));
        Assert.False(new ResumeTickets(new RoomIdentity("room", 2), clock, TimeSpan.FromMinutes(1)).TryOpen(ticket, out _));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.False(tickets.TryOpen(ticket, out _));
    }
}
