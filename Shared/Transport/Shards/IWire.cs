using System.Net;

namespace PushSystem.Transport.Shards;

/// <summary>
/// The bytes' way to one peer, below a shard's slot. Every member is called on the shard's turn and never blocks. Completions
/// come back as work items of the shard: <see cref="Shard.Readable"/>, <see cref="Shard.SendCompleted"/>, and
/// <see cref="Shard.WireFinished"/> exactly once after <see cref="Close"/>, when no operation is left.
/// </summary>
internal interface IWire
{
    /// <summary>Returned by <see cref="Receive"/> when nothing is there.</summary>
    const int WouldBlock = -1;

    /// <summary>Returned by <see cref="Receive"/> and <see cref="Send"/> when the connection is broken.</summary>
    const int Failed = -2;

    /// <summary>The peer; known for as long as the wire lives.</summary>
    IPEndPoint Remote { get; }

    /// <summary>The connection the wire serves; set by the shard when it takes the wire over.</summary>
    ConnectionRef Connection { get; set; }

    /// <summary>Bytes read, 0 when the peer has ended its direction, <see cref="WouldBlock"/> or <see cref="Failed"/>.</summary>
    int Receive(Span<byte> buffer);

    /// <summary>Bytes taken, which may be fewer than given and 0, or <see cref="Failed"/>. Not while a <see cref="BeginSend"/> runs.</summary>
    int Send(ReadOnlySpan<byte> bytes);

    /// <summary>Asks for one <see cref="Shard.Readable"/> as soon as there is something to read.</summary>
    void ArmReceive();

    /// <summary>Brings <see cref="Shard.Readable"/> in a later item although nothing may have arrived: there is more to read.</summary>
    void Requeue();

    /// <summary>Sends <paramref name="bytes"/>, which belong to <paramref name="queue"/>, as soon as the peer takes them.</summary>
    void BeginSend(PipeQueue queue, ReadOnlyMemory<byte> bytes);

    /// <summary>Ends the wire. An abort drops what the peer has not taken yet; otherwise the kernel still delivers it.</summary>
    void Close(bool abort);
}
