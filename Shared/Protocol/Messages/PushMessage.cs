using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// PUSH (8), s→c:
/// <code>app index varint · flags byte · seq varint (not when transient) · expiry varint Unix s (flag 2) · payload, to the end</code>
/// Flags: bit 0 stream (1 = broadcast), bit 1 transient (no seq, no ack), bit 2 expiry follows, bits 3–4 payload kind,
/// bit 5 answers a FETCH; bits 6–7 are 0 in version 1.
/// </summary>
public readonly ref struct PushMessage
{
    private const byte BroadcastFlag = 1, TransientFlag = 2, ExpiryFlag = 4, FetchedFlag = 32, ReservedFlags = 0xC0;
    private const int KindShift = 3;

    /// <summary>The binding.</summary>
    public required int AppIndex { get; init; }
    /// <summary>The stream; of a transient push only whom it was meant for.</summary>
    public StreamKind Stream { get; init; }
    /// <summary>Not stored: no seq, no ack, never sent again.</summary>
    public bool Transient { get; init; }
    /// <summary>Part of the answer to a FETCH; does not move the stream's position.</summary>
    public bool Fetched { get; init; }
    /// <summary>How to read the payload.</summary>
    public PayloadKind Kind { get; init; }
    /// <summary>Position in the stream, from 1; 0 when transient.</summary>
    public long Seq { get; init; }
    /// <summary>Unix seconds after which the message is of no use; 0 = none.</summary>
    public long ExpiresAt { get; init; }
    /// <summary>The application's bytes.</summary>
    public ReadOnlySpan<byte> Payload { get; init; }

    /// <summary>Body size for the given fields.</summary>
    public int BodySize => Varint.SizeOf(AppIndex) + 1 + (Transient ? 0 : Varint.SizeOf(Seq))
        + (ExpiresAt > 0 ? Varint.SizeOf(ExpiresAt) : 0) + Payload.Length;

    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Push, BodySize);
        writer.Number(AppIndex);
        writer.Byte((byte)((Stream == StreamKind.Broadcast ? BroadcastFlag : 0) | (Transient ? TransientFlag : 0)
            | (ExpiresAt > 0 ? ExpiryFlag : 0) | (Fetched ? FetchedFlag : 0) | ((int)Kind << KindShift)));
        if (!Transient)
            writer.Number(Seq);
        if (ExpiresAt > 0)
            writer.Number(ExpiresAt);
        writer.Raw(Payload);
        writer.Complete();
    }

    /// <summary>Reads the body; <see cref="Payload"/> aliases it.</summary>
    public static PushMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var index = reader.Int("app index", ProtocolLimits.MaxAppIndex);
        var flags = reader.Byte("flags");
        if ((flags & ReservedFlags) != 0)
            ProtocolException.ThrowBadFrame($"PUSH flags 0x{flags:X2} have reserved bits");
        var kind = (flags >> KindShift) & 3;
        if (kind > (int)PayloadKind.Json)
            ProtocolException.ThrowBadFrame($"payload kind {kind} is not known");
        var transient = (flags & TransientFlag) != 0;
        var seq = transient ? 0 : reader.Seq("seq", 1);
        var expiry = (flags & ExpiryFlag) != 0 ? reader.Number("expiry") : 0;
        return new PushMessage
        {
            AppIndex = index,
            Stream = (StreamKind)(flags & BroadcastFlag),
            Transient = transient,
            Fetched = (flags & FetchedFlag) != 0,
            Kind = (PayloadKind)kind,
            Seq = seq,
            ExpiresAt = expiry,
            Payload = reader.Rest(),
        };
    }
}
