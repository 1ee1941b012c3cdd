using PushSystem.Client.Connections;
using PushSystem.Protocol;

namespace PushSystem.Client.Delivery;

/// <summary>One thing that the message pump does in the order in which the server sent it.</summary>
internal abstract record DeliveryItem(ClientSession Session)
{
    /// <summary>What an item costs beside its payload.</summary>
    public const int Overhead = 256;

    /// <summary>Bytes that count against the queue's limit.</summary>
    public virtual int Size => Overhead;
}

/// <summary>The session was opened; positions are null after a RESUME.</summary>
internal sealed record OpenedItem(ClientSession Session, StreamPosition? Mailbox, StreamPosition? Broadcast) : DeliveryItem(Session);

/// <summary>A PUSH.</summary>
internal sealed record MessageItem(
    ClientSession Session, StreamKind Stream, bool Transient, long Seq, PayloadKind Kind, long ExpiresAt, byte[] Payload) : DeliveryItem(Session)
{
    /// <inheritdoc/>
    public override int Size => Overhead + Payload.Length;
}

/// <summary>A RESET.</summary>
internal sealed record ResetItem(ClientSession Session, StreamKind Stream, StreamPosition Target, ResetReason Reason) : DeliveryItem(Session);
