using PushSystem.Loadtest.Clients;
using PushSystem.Protocol;
using Xunit;

namespace PushSystem.Loadtest.Tests;

public sealed class StreamTrackTests
{
    [Fact]
    public void Messages_count_once_and_gaps_are_seen()
    {
        var track = new StreamTrack();
        track.Open(new StreamPosition(3, 10));
        Assert.Equal(StreamStep.Next, track.Take(11));
        Assert.Equal(StreamStep.Repeated, track.Take(11));
        Assert.Equal(StreamStep.Repeated, track.Take(4));
        Assert.Equal(StreamStep.Next, track.Take(12));
        Assert.Equal(StreamStep.Gap, track.Take(14));
        Assert.Equal(new StreamPosition(3, 14), track.Position);
        Assert.Equal(5, track.Unacked);
    }

    [Fact]
    public void A_login_never_moves_a_position_back_within_an_epoch()
    {
        var track = new StreamTrack();
        track.Open(new StreamPosition(3, 10));
        track.Take(11);
        track.Open(new StreamPosition(3, 9));
        Assert.Equal(new StreamPosition(3, 11), track.Position);
        track.Open(new StreamPosition(4, 0));
        Assert.Equal(new StreamPosition(4, 0), track.Position);
    }

    [Fact]
    public void A_reset_tells_how_much_it_skips()
    {
        var track = new StreamTrack();
        track.Open(new StreamPosition(3, 10));
        Assert.Equal(5, track.Reset(3, 16));
        Assert.Equal(StreamStep.Next, track.Take(16));
        Assert.Equal(0, track.Reset(3, 5));
        Assert.Equal(new StreamPosition(3, 16), track.Position);
        Assert.Equal(0, track.Reset(4, 1));
        Assert.Equal(StreamStep.Next, track.Take(1));
    }
}
