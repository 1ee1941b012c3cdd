namespace PushSystem.Protocol;

/// <summary>
/// One (app, user) that a client asks for, inside LOGIN and BIND:
/// <code>app text(1..64) · user text(1..64) · ticket bytes(0..255) · flags byte (bit 0 pull) · mailbox position · broadcast position</code>
/// The positions are what the client has processed; epoch 0 means none.
/// </summary>
public sealed record BindRequest(
    string App, string User, ReadOnlyMemory<byte> Ticket, bool Pull, StreamPosition Mailbox, StreamPosition Broadcast)
{
    private const byte PullFlag = 1;

    internal int Size => BodyWriter.SizeOfText(App) + BodyWriter.SizeOfText(User) + BodyWriter.SizeOfBytes(Ticket.Length) + 1
        + BodyWriter.SizeOfPosition(Mailbox) + BodyWriter.SizeOfPosition(Broadcast);

    internal void Write(ref BodyWriter writer)
    {
        writer.Text(App);
        writer.Text(User);
        writer.Bytes(Ticket.Span);
        writer.Byte(Pull ? PullFlag : (byte)0);
        writer.Position(Mailbox);
        writer.Position(Broadcast);
    }

    internal static BindRequest Read(ref BodyReader reader) => new(
        reader.Text("app", ProtocolLimits.MaxAppBytes, 1),
        reader.Text("user", ProtocolLimits.MaxUserBytes, 1),
        reader.Bytes("ticket", ProtocolLimits.MaxTicketBytes).ToArray(),
        (reader.Byte("flags") & PullFlag) != 0,
        reader.Position("mailbox position"),
        reader.Position("broadcast position"));
}

/// <summary>
/// The answer to one <see cref="BindRequest"/>, inside LOGIN_OK and BIND_OK:
/// <code>code byte · app index varint · mailbox position · broadcast position</code>
/// Positions say behind which message each stream goes on; a RESET follows when that skips something the client has not
/// seen. With a code other than 0 the index and the positions are 0.
/// </summary>
public readonly record struct BindResult(ReasonCode Code, int AppIndex, StreamPosition Mailbox, StreamPosition Broadcast)
{
    internal int Size => 1 + Varint.SizeOf(AppIndex) + BodyWriter.SizeOfPosition(Mailbox) + BodyWriter.SizeOfPosition(Broadcast);

    internal void Write(ref BodyWriter writer)
    {
        writer.Byte((byte)Code);
        writer.Number(AppIndex);
        writer.Position(Mailbox);
        writer.Position(Broadcast);
    }

    internal static BindResult Read(ref BodyReader reader) => new(
        (ReasonCode)reader.Byte("code"),
        reader.Int("app index", ProtocolLimits.MaxAppIndex),
        reader.Position("mailbox position"),
        reader.Position("broadcast position"));
}
