using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// SEND (11), c→s: <code>app index varint · message id varint · type text(1..32) · kind byte · payload, to the end</code>
/// The message id is the client's, 1 to 2^53 - 1, grows within (app, user) and stays the same when the message is sent again.
/// </summary>
public readonly ref struct SendMessage
{
    /// <summary>The binding.</summary>
    public required int AppIndex { get; init; }
    /// <summary>The client's id.</summary>
    public required long MessageId { get; init; }
    /// <summary>Chooses the webhook of the app.</summary>
    public required string Type { get; init; }
    /// <summary>How to read the payload.</summary>
    public PayloadKind Kind { get; init; }
    /// <summary>The application's bytes.</summary>
    public ReadOnlySpan<byte> Payload { get; init; }

    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Send,
            Varint.SizeOf(AppIndex) + Varint.SizeOf(MessageId) + BodyWriter.SizeOfText(Type) + 1 + Payload.Length);
        writer.Number(AppIndex);
        writer.Number(MessageId);
        writer.Text(Type);
        writer.Byte((byte)Kind);
        writer.Raw(Payload);
        writer.Complete();
    }

    /// <summary>Reads the body; <see cref="Payload"/> aliases it.</summary>
    public static SendMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var index = reader.Int("app index", ProtocolLimits.MaxAppIndex);
        var id = reader.Seq("message id", 1);
        var type = reader.Text("type", ProtocolLimits.MaxSendTypeBytes, 1);
        var kind = reader.Byte("kind");
        if (kind > (int)PayloadKind.Json)
            ProtocolException.ThrowBadFrame($"payload kind {kind} is not known");
        return new SendMessage { AppIndex = index, MessageId = id, Type = type, Kind = (PayloadKind)kind, Payload = reader.Rest() };
    }
}

/// <summary>
/// SEND_OK (12), s→c: <code>app index varint · message id varint · code byte · retry after varint ms</code>
/// Code 0: stored, the client forgets the message. Otherwise refused; retry after 0 means that the same message will be
/// refused again.
/// </summary>
public readonly record struct SendOkMessage(int AppIndex, long MessageId, ReasonCode Code, int RetryAfterMilliseconds)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.SendOk,
            Varint.SizeOf(AppIndex) + Varint.SizeOf(MessageId) + 1 + Varint.SizeOf(RetryAfterMilliseconds));
        writer.Number(AppIndex);
        writer.Number(MessageId);
        writer.Byte((byte)Code);
        writer.Number(RetryAfterMilliseconds);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static SendOkMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new SendOkMessage(reader.Int("app index", ProtocolLimits.MaxAppIndex), reader.Seq("message id"),
            (ReasonCode)reader.Byte("code"), reader.Int("retry after"));
    }
}
