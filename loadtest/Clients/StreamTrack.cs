using PushSystem.Protocol;

namespace PushSystem.Loadtest.Clients;

/// <summary>What a client does with one message of a stream.</summary>
internal enum StreamStep
{
    /// <summary>The next one: hand it on.</summary>
    Next,
    /// <summary>Seen before: drop it, acknowledge again.</summary>
    Repeated,
    /// <summary>Messages are missing before it and no RESET said so.</summary>
    Gap,
}

/// <summary>A client's position in one stream: the dedupe that every client of the protocol does. Mutable value.</summary>
internal struct StreamTrack
{
    /// <summary>Everything up to here was processed.</summary>
    public StreamPosition Position { get; private set; }

    /// <summary>Messages since the last ACK.</summary>
    public int Unacked { get; set; }

    /// <summary>
    /// The server's position at login. A position in the same epoch never moves back; a new epoch or a jump is announced by a RESET
    /// that follows, except for a client that had no position.
    /// </summary>
    public void Open(StreamPosition server)
    {
        Unacked = 0;
        if (Position.Epoch == 0 || Position.Epoch != server.Epoch)
            Position = server;
    }

    /// <summary>Takes a message with its number.</summary>
    public StreamStep Take(long seq)
    {
        Unacked++;
        if (seq <= Position.Seq)
            return StreamStep.Repeated;
        var step = seq == Position.Seq + 1 ? StreamStep.Next : StreamStep.Gap;
        Position = Position with { Seq = seq };
        return step;
    }

    /// <summary>A RESET; returns how many positions it skips (0 when the epoch changed: nobody can say).</summary>
    public long Reset(uint epoch, long firstSeq)
    {
        var skipped = epoch == Position.Epoch ? Math.Max(0, firstSeq - 1 - Position.Seq) : 0;
        if (epoch != Position.Epoch || firstSeq - 1 > Position.Seq)
            Position = new StreamPosition(epoch, firstSeq - 1);
        return skipped;
    }
}
