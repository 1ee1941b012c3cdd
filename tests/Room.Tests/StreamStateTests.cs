using PushSystem.Room.Delivery;

namespace PushSystem.Room.Tests;

public class StreamStateTests
{
    private readonly RingPool _rings = new();
    private StreamState _stream;

    public StreamStateTests() => _stream.Open(7, 10, 10, _rings);

    [Fact]
    public void The_next_message_is_sent_and_others_wait_or_are_dropped()
    {
        Assert.Equal(DeliverStep.Drop, Offer(10));
        Assert.Equal(DeliverStep.Later, Offer(12));
        Assert.True(_stream.IsBehind);
        Assert.Equal(DeliverStep.Send, Offer(11));
        _stream.Pulling = true;
        Assert.Equal(DeliverStep.Later, Offer(11));
    }

    [Fact]
    public void A_message_of_another_epoch_asks_for_a_read()
    {
        Assert.Equal(DeliverStep.Later, _stream.Offer(8, 1, 1, true, 4, 100));
        Assert.True(_stream.Dirty && _stream.IsBehind);
        Assert.Equal(10, _stream.Top);
    }

    [Fact]
    public void The_window_counts_messages_and_bytes()
    {
        Send(11, 60);
        Assert.False(_stream.HasRoom(41, 4, 100));
        Assert.True(_stream.HasRoom(40, 4, 100));
        Assert.False(_stream.HasRoom(1, 1, 100));
        Assert.False(_stream.HasRoomToPull(4, 100));
        _stream.Ack(11, 0, _rings);
        Assert.True(_stream.HasRoom(1_000_000, 4, 100));
    }

    [Fact]
    public void Acks_release_exactly_what_they_cover()
    {
        for (var seq = 11; seq <= 20; seq++)
            Send(seq, seq);
        Assert.Equal(10, _stream.InFlight);
        _stream.Ack(14, 0, _rings);
        Assert.Equal((6, 15L, 15 + 16 + 17 + 18 + 19 + 20), (_stream.InFlight, _stream.Head, _stream.InFlightBytes));
        _stream.Ack(20, 0, _rings);
        Assert.Equal((0, 0L, 0, 20L), (_stream.InFlight, _stream.Head, _stream.InFlightBytes, _stream.Acked));
        Assert.Equal(0, _rings.Rented);
    }

    [Fact]
    public void A_gap_behind_the_last_message_counts_as_acknowledged_with_it()
    {
        Send(11, 1);
        _stream.Skip(15);
        Assert.Equal(10, _stream.Acked);
        _stream.Ack(11, 0, _rings);
        Assert.Equal((15L, 15L), (_stream.Acked, _stream.LastSent));
    }

    [Fact]
    public void A_gap_with_nothing_in_flight_counts_as_acknowledged()
    {
        _stream.Skip(15);
        Assert.Equal((15L, 15L, 15L), (_stream.Acked, _stream.LastSent, _stream.Top));
    }

    [Fact]
    public void A_rewind_keeps_top_and_the_bound_for_acks()
    {
        for (var seq = 11; seq <= 15; seq++)
            Send(seq, 1);
        _stream.Ack(12, 0, _rings);
        _stream.Rewind(_rings);
        Assert.Equal((12L, 12L, 15L, 15L, 0), (_stream.Acked, _stream.LastSent, _stream.Top, _stream.HighSent, _stream.InFlight));
        _stream.Ack(14, 0, _rings);
        Assert.Equal((14L, 14L), (_stream.Acked, _stream.LastSent));
        Assert.Equal(0, _rings.Rented);
    }

    [Fact]
    public void The_latency_is_that_of_the_newest_message_covered()
    {
        _stream.Sent(11, 1, 100, _rings);
        _stream.Sent(12, 1, 200, _rings);
        _stream.Sent(13, 1, 300, _rings);
        Assert.Equal(50, _stream.Ack(12, 250, _rings));
        _stream.Rewind(_rings);
        Assert.Equal(-1, _stream.Ack(13, 400, _rings));
    }

    [Fact]
    public void The_ring_keeps_order_through_growth_and_wrapping()
    {
        var ring = _rings.Rent();
        var next = 0L;
        var taken = 0L;
        var random = new Random(4);
        for (var i = 0; i < 1000; i++)
        {
            if (ring.Count == 0 || random.Next(3) > 0)
                ring.Add(new InFlightEntry(next++, 0, 0));
            else
                Assert.Equal(taken++, ring.Take().Seq);
        }
        while (ring.Count > 0)
            Assert.Equal(taken++, ring.Take().Seq);
        Assert.Equal(next, taken);
    }

    [Fact]
    public void Random_traffic_keeps_the_invariants()
    {
        var random = new Random(11);
        for (var i = 0; i < 20_000; i++)
        {
            switch (random.Next(6))
            {
                case 0 or 1 or 2 when _stream.HasRoom(10, 8, 60):
                    Send(_stream.LastSent + 1, random.Next(20));
                    break;
                case 3 when _stream.LastSent > _stream.Acked:
                    _stream.Ack(random.NextInt64(_stream.Acked + 1, _stream.LastSent + 1), i, _rings);
                    break;
                case 4 when random.Next(5) == 0:
                    _stream.Skip(_stream.LastSent + random.Next(1, 4));
                    break;
                case 5 when random.Next(20) == 0:
                    _stream.Rewind(_rings);
                    break;
            }
            Assert.InRange(_stream.Acked, 0, _stream.LastSent);
            Assert.InRange(_stream.LastSent, 0, _stream.HighSent);
            Assert.InRange(_stream.HighSent, 0, _stream.Top);
            Assert.Equal(_stream.InFlight == 0, _stream.Acked == _stream.LastSent);
            Assert.Equal(_stream.InFlight > 1 ? 1 : 0, _rings.Rented);
        }
    }

    private DeliverStep Offer(long seq) => _stream.Offer(7, seq, 1, true, 4, 100);

    private void Send(long seq, int bytes) => _stream.Sent(seq, bytes, 0, _rings);
}
