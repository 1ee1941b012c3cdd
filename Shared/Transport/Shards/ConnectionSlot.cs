namespace PushSystem.Transport.Shards;

/// <summary>What a shard knows of one connection. An idle connection has a wire and nothing else.</summary>
internal struct ConnectionSlot
{
    /// <summary>Null in a free slot.</summary>
    public IWire? Wire;
    /// <summary>Input that waits for the rest of its frame or for the end of a pause.</summary>
    public PipeQueue? Input;
    /// <summary>Output that waits for the peer; a send of its head runs.</summary>
    public PipeQueue? Output;
    /// <summary>Grows with every owner of the slot, never 0.</summary>
    public uint Generation;
    /// <summary>Bytes accepted and not yet taken by the wire.</summary>
    public int OutputBytes;
    /// <summary>1 + the index of the turn's gathered output, or 0.</summary>
    public int Gathered;
    /// <summary>In a free slot: the next free one or -1.</summary>
    public int NextFree;
    public SlotStates State;
    public CloseCause Cause;
}

[Flags]
internal enum SlotStates : byte
{
    None = 0,
    /// <summary>A receive is armed or queued.</summary>
    Receiving = 1,
    /// <summary>The handler does not want to be called with input.</summary>
    Paused = 2,
    /// <summary>The slot is in the list of those to resume.</summary>
    Resuming = 4,
    /// <summary>The peer has ended; the close waits for the end of a pause.</summary>
    PeerEnded = 8,
    /// <summary>Closed by the handler or by a failure: it is not called any more, except for Closed.</summary>
    Closing = 16,
    /// <summary>Closing, and the output may still leave.</summary>
    Lingering = 32,
    /// <summary>Closing, and in the list of those to finish.</summary>
    Finishing = 64,
}
