using PushSystem.Saver.Landing;

namespace PushSystem.Saver.Redis;

/// <summary>
/// One entry of a partition's journal: what one batch changed that has to reach the landing tier. Written by the script that changes it.
/// <code>
/// for each item: kind (1 byte, LandingKind), user (length, PackedUser),
///   Message: seq          the message lies in the user's list as long as it waits
///   Parked: epoch, message (length, PackedMessage)
/// </code>
/// Pure.
/// </summary>
internal static class PackedJournal
{
    public static void Write(PackedWriter writer, LandingItem item)
    {
        writer.Byte((byte)item.Kind);
        writer.Bytes(item.User);
        if (item.Kind == LandingKind.Message)
            writer.Number(item.Seq);
        if (item.Kind == LandingKind.Parked)
        {
            writer.Number(item.Epoch);
            writer.Bytes(item.Packed);
        }
    }

    /// <summary>Throws <see cref="InvalidDataException"/>.</summary>
    public static List<LandingItem> Read(ReadOnlySpan<byte> bytes)
    {
        var items = new List<LandingItem>();
        var reader = new PackedReader(bytes);
        while (!reader.IsAtEnd)
        {
            var kind = (LandingKind)reader.Byte();
            var user = reader.Bytes().ToArray();
            switch (kind)
            {
                case LandingKind.Message:
                    items.Add(new LandingItem(kind, user, reader.Number(), 0, null));
                    break;
                case LandingKind.State:
                    items.Add(new LandingItem(kind, user, 0, 0, null));
                    break;
                case LandingKind.Parked:
                    var epoch = checked((uint)reader.Number());
                    var packed = reader.Bytes().ToArray();
                    items.Add(new LandingItem(kind, user, PackedMessage.Seq(packed), epoch, packed));
                    break;
                default:
                    throw new InvalidDataException($"A journal entry of kind {(byte)kind} is not known.");
            }
        }
        return items;
    }
}
