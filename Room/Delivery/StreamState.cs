using System.Diagnostics;
using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>What to do with a message that arrived for a stream.</summary>
internal enum DeliverStep : byte
{
    /// <summary>It was sent already, or lies behind a reset.</summary>
    Drop,
    /// <summary>It is the next one and there is room: send it now.</summary>
    Send,
    /// <summary>It is read from the store when its turn comes.</summary>
    Later,
}

/// <summary>
/// One stream of one session, as the client knows it: everything up to <see cref="Acked"/> is processed, everything up to
/// <see cref="LastSent"/> was sent or reset, and there are messages up to <see cref="Top"/>. Transitions only; no I/O.
/// Acked equals LastSent whenever nothing is in flight.
/// </summary>
internal struct StreamState
{
    public uint Epoch;
    public long Acked;
    public long LastSent;
    /// <summary>Highest number ever sent under this epoch, on this socket or on one that was lost: the bound for ACKs.</summary>
    public long HighSent;
    public long Top;
    /// <summary>Top of the store as the last position check saw it, when it was above ours; 0 = it was not.</summary>
    public long Suspect;
    /// <summary>Messages and payload bytes in flight.</summary>
    public int InFlight;
    public int InFlightBytes;
    /// <summary>When the last progress was made while something is in flight, shard milliseconds.</summary>
    public long ProgressAt;
    /// <summary>Tells the answer of the pull under way from those of abandoned ones.</summary>
    public uint PullId;
    /// <summary>A pull is under way, waits for its turn or for the store.</summary>
    public bool Pulling;
    /// <summary>A pull is needed although Top does not say so: the store has another epoch.</summary>
    public bool Dirty;
    /// <summary>Pull bindings: the client has to be told of Top when output allows.</summary>
    public bool NoticeOwed;
    /// <summary>Why the client was last told of a gap: it may be lost with the socket and has to be told again.</summary>
    public ResetReason LastReset;
    /// <summary>Where the shard's acks for the store hold this stream: entry and batch.</summary>
    public int AckEntry;
    public uint AckBatch;
    // The oldest message in flight is kept here, so that the common case of one needs no ring.
    private InFlightEntry _head;
    private InFlightRing? _rest;

    /// <summary>Starts at a position; nothing is in flight.</summary>
    public void Open(uint epoch, long seq, long top, RingPool rings)
    {
        Clear(rings);
        Epoch = epoch;
        Acked = seq;
        LastSent = seq;
        HighSent = seq;
        Top = Math.Max(top, seq);
        Suspect = 0;
        Dirty = false;
        NoticeOwed = false;
        LastReset = ResetReason.None;
    }

    /// <summary>The sequence number of the oldest message in flight, 0 = none.</summary>
    public readonly long Head => InFlight > 0 ? _head.Seq : 0;

    /// <summary>There is more than the client has.</summary>
    public readonly bool IsBehind => Top > LastSent || Dirty;

    /// <summary>Whether a message of so many bytes may be sent.</summary>
    public readonly bool HasRoom(int bytes, int maxMessages, int maxBytes) =>
        InFlight == 0 || (InFlight < maxMessages && InFlightBytes + (long)bytes <= maxBytes);

    /// <summary>Half of the window is free: worth a read from the store.</summary>
    public readonly bool HasRoomToPull(int maxMessages, int maxBytes) =>
        InFlight == 0 || (InFlight <= maxMessages / 2 && InFlightBytes <= maxBytes / 2);

    /// <summary>Decides on a stored message that arrived. Later also notes its number.</summary>
    public DeliverStep Offer(uint epoch, long seq, int bytes, bool maySend, int maxMessages, int maxBytes)
    {
        if (epoch != Epoch)
        {
            Dirty = true;
            return DeliverStep.Later;
        }
        if (seq <= LastSent)
            return DeliverStep.Drop;
        if (seq == LastSent + 1 && maySend && !Pulling && !Dirty && HasRoom(bytes, maxMessages, maxBytes))
            return DeliverStep.Send;
        Top = Math.Max(Top, seq);
        return DeliverStep.Later;
    }

    /// <summary>A message has left; true when it is the only one in flight.</summary>
    public bool Sent(long seq, int bytes, long now, RingPool rings)
    {
        Debug.Assert(seq > LastSent);
        LastSent = seq;
        HighSent = Math.Max(HighSent, seq);
        Top = Math.Max(Top, seq);
        var entry = new InFlightEntry(seq, bytes, now);
        InFlightBytes += bytes;
        if (InFlight++ > 0)
        {
            (_rest ??= rings.Rent()).Add(entry);
            return false;
        }
        _head = entry;
        ProgressAt = now;
        return true;
    }

    /// <summary>The client was told that nothing up to <paramref name="seq"/> will come.</summary>
    public void Skip(long seq)
    {
        LastSent = Math.Max(LastSent, seq);
        HighSent = Math.Max(HighSent, LastSent);
        Top = Math.Max(Top, LastSent);
        if (InFlight == 0)
            Acked = LastSent;
    }

    /// <summary>
    /// Everything up to <paramref name="seq"/>, above Acked and not above HighSent, was processed; what of it was about to be sent
    /// again is not. Returns how long the newest of it was under way in milliseconds, -1 when there was none.
    /// </summary>
    public long Ack(long seq, long now, RingPool rings)
    {
        Debug.Assert(seq > Acked && seq <= HighSent);
        LastSent = Math.Max(LastSent, seq);
        Top = Math.Max(Top, seq);
        var latency = -1L;
        while (InFlight > 0 && _head.Seq <= seq)
        {
            latency = now - _head.SentAt;
            InFlightBytes -= _head.Bytes;
            InFlight--;
            if (InFlight > 0)
                _head = _rest!.Take();
        }
        if (_rest is { Count: 0 } empty)
        {
            rings.Return(empty);
            _rest = null;
        }
        // With nothing in flight, what lies between the ACK and LastSent are gaps that the client was told of.
        Acked = InFlight == 0 ? LastSent : seq;
        ProgressAt = now;
        return latency;
    }

    /// <summary>An ACK of a pull binding, which has nothing in flight: what was fetched stays unacknowledged until it is named.</summary>
    public void AckFetched(long seq)
    {
        Acked = seq;
        LastSent = Math.Max(LastSent, seq);
    }

    /// <summary>A message was handed out by a FETCH of a pull binding.</summary>
    public void Fetched(long seq)
    {
        LastSent = Math.Max(LastSent, seq);
        HighSent = Math.Max(HighSent, LastSent);
        Top = Math.Max(Top, LastSent);
    }

    /// <summary>Everything behind Acked has to be sent again: on a new socket only.</summary>
    public void Rewind(RingPool rings)
    {
        Top = Math.Max(Top, LastSent);
        Clear(rings);
        LastSent = Acked;
    }

    /// <summary>Gives the ring back; the position stays.</summary>
    public void Clear(RingPool rings)
    {
        InFlight = 0;
        InFlightBytes = 0;
        _head = default;
        Pulling = false;
        PullId++;
        if (_rest is { } ring)
        {
            rings.Return(ring);
            _rest = null;
        }
    }
}
