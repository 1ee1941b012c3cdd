using System.Buffers;
using System.Net.Sockets;

namespace PushSystem.Loadtest.Clients;

/// <summary>Where a client is in its life.</summary>
internal enum ClientState : byte
{
    /// <summary>Not started yet.</summary>
    Idle,
    /// <summary>TCP is on its way.</summary>
    Connecting,
    /// <summary>LOGIN was sent.</summary>
    LoggingIn,
    /// <summary>Bound.</summary>
    Online,
    /// <summary>Waits before it connects again.</summary>
    Waiting,
    /// <summary>Ended for good.</summary>
    Stopped,
}

/// <summary>
/// One device with one user: state only, about 250 bytes beside its socket.
/// Touched by its <see cref="ClientLoop"/>'s thread alone, except <see cref="State"/>, which others may read.
/// Owned by the loop, which closes the socket and returns the buffers.
/// </summary>
internal sealed class VirtualClient(int number, int index, string user)
{
    /// <summary>0 to the number of clients - 1 in this process.</summary>
    public int Number { get; } = number;
    /// <summary>Place in its loop.</summary>
    public int Index { get; } = index;
    /// <summary>The user it binds.</summary>
    public string User { get; } = user;

    public ClientState State { get; set; }
    public Socket? Socket { get; set; }
    /// <summary>Grows with every connection, so that an event of an old socket is recognised.</summary>
    public uint Generation { get; set; }
    /// <summary>Timestamp of the connection's begin.</summary>
    public long ConnectedAt { get; set; }
    /// <summary>The next timed step, milliseconds of the loop's clock; its meaning follows from the state.</summary>
    public long Deadline { get; set; } = long.MaxValue;
    /// <summary>The wheel's tick that stands for <see cref="Deadline"/>.</summary>
    public long WheelTick { get; set; } = -1;
    public int Failures { get; set; }

    public int AppIndex { get; set; }
    public int HeartbeatSeconds { get; set; }
    public int AckCount { get; set; }
    public int AckDelayMilliseconds { get; set; }
    /// <summary>In the loop's list of delayed ACKs.</summary>
    public bool AckQueued { get; set; }
    public StreamTrack Mailbox;
    public StreamTrack Broadcast;

    /// <summary>Bytes of an incomplete frame, rented.</summary>
    public byte[]? Partial { get; private set; }
    public int PartialLength { get; private set; }
    /// <summary>Output that the socket did not take yet, rented.</summary>
    public byte[]? Unsent { get; private set; }
    public int UnsentLength { get; private set; }

    /// <summary>Keeps what is left of the input.</summary>
    public void KeepPartial(ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty)
        {
            DropPartial();
            return;
        }
        if (Partial is null || Partial.Length < rest.Length)
        {
            DropPartial();
            Partial = ArrayPool<byte>.Shared.Rent(rest.Length);
        }
        rest.CopyTo(Partial);
        PartialLength = rest.Length;
    }

    /// <summary>Keeps output behind what waits already.</summary>
    public void KeepUnsent(ReadOnlySpan<byte> bytes)
    {
        var needed = UnsentLength + bytes.Length;
        if (Unsent is null || Unsent.Length < needed)
        {
            var larger = ArrayPool<byte>.Shared.Rent(needed);
            if (Unsent is not null)
            {
                Unsent.AsSpan(0, UnsentLength).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(Unsent);
            }
            Unsent = larger;
        }
        bytes.CopyTo(Unsent.AsSpan(UnsentLength));
        UnsentLength = needed;
    }

    /// <summary>Removes what was sent from the front.</summary>
    public void Sent(int count)
    {
        Unsent.AsSpan(count, UnsentLength - count).CopyTo(Unsent);
        UnsentLength -= count;
        if (UnsentLength == 0)
            DropUnsent();
    }

    /// <summary>Returns the buffers at the connection's end.</summary>
    public void DropBuffers()
    {
        DropPartial();
        DropUnsent();
    }

    private void DropPartial()
    {
        if (Partial is { } partial)
            ArrayPool<byte>.Shared.Return(partial);
        Partial = null;
        PartialLength = 0;
    }

    private void DropUnsent()
    {
        if (Unsent is { } unsent)
            ArrayPool<byte>.Shared.Return(unsent);
        Unsent = null;
        UnsentLength = 0;
    }
}
