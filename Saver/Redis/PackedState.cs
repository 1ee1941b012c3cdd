using PushSystem.Protocol;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis;

/// <summary>
/// The state of a mailbox as it lies in redis and, the same bytes, in the landing tier. All numbers as <see cref="PackedWriter"/> writes
/// them:
/// <code>
/// version        1 byte, 1
/// epoch, top, top - acked, count, bytes      count and bytes of the waiting messages
/// landedTop                                  no message above it is in the landing tier
/// earliest, latest - earliest                only if count > 0: expiry of the waiting messages, Unix milliseconds
/// lastAckAt, cursor + 1                      cursor 0 = never opened
/// attempts, attemptSeq                       attemptSeq only if attempts > 0
/// forgotten
/// skips          number, then for each: from - previous to, to - from, reason
/// epochs         number, then for each: epoch, top, common
/// </code>
/// What a later version adds comes behind; a reader ignores it.
/// </summary>
internal static class PackedState
{
    private const byte Version = 1;
    private const int MostSkips = 1_000_000;

    public static void Write(PackedWriter writer, HotMailbox mailbox)
    {
        writer.Byte(Version);
        writer.Number(mailbox.Epoch);
        writer.Number(mailbox.Top);
        writer.Number(mailbox.Top - mailbox.Acked);
        writer.Number(mailbox.Count);
        writer.Number(mailbox.Bytes);
        writer.Number(mailbox.LandedTop);
        if (mailbox.Count > 0)
        {
            writer.Number(mailbox.EarliestExpiry);
            writer.Number(Math.Max(0, mailbox.LatestExpiry - mailbox.EarliestExpiry));
        }
        writer.Number(mailbox.LastAckAt);
        writer.Number(mailbox.Cursor + 1);
        writer.Number(mailbox.Attempts);
        if (mailbox.Attempts > 0)
            writer.Number(mailbox.AttemptSeq);
        writer.Number(mailbox.Forgotten);
        writer.Number(mailbox.Skips.Ranges.Length);
        long before = 0;
        foreach (var range in mailbox.Skips.Ranges)
        {
            writer.Number(range.From - before);
            writer.Number(range.To - range.From);
            writer.Byte((byte)range.Reason);
            before = range.To;
        }
        writer.Number(mailbox.Epochs.Length);
        foreach (var ended in mailbox.Epochs)
        {
            writer.Number(ended.Epoch);
            writer.Number(ended.Top);
            writer.Number(ended.Common);
        }
    }

    /// <summary>Throws <see cref="InvalidDataException"/>.</summary>
    public static void Read(ReadOnlySpan<byte> bytes, HotMailbox mailbox)
    {
        var reader = new PackedReader(bytes);
        var version = reader.Byte();
        if (version != Version)
            throw new InvalidDataException($"Mailbox {mailbox.Key} is stored in version {version}, this program reads {Version}.");
        mailbox.Epoch = checked((uint)reader.Number());
        mailbox.Top = reader.Number();
        mailbox.Acked = mailbox.Top - reader.Number();
        mailbox.Count = reader.Count(int.MaxValue);
        mailbox.Bytes = reader.Number();
        mailbox.LandedTop = reader.Number();
        if (mailbox.Count > 0)
        {
            mailbox.EarliestExpiry = reader.Number();
            mailbox.LatestExpiry = mailbox.EarliestExpiry + reader.Number();
        }
        else
        {
            (mailbox.EarliestExpiry, mailbox.LatestExpiry) = (long.MaxValue, 0);
        }
        mailbox.LastAckAt = reader.Number();
        mailbox.Cursor = reader.Number() - 1;
        mailbox.Attempts = reader.Count(int.MaxValue);
        mailbox.AttemptSeq = mailbox.Attempts > 0 ? reader.Number() : 0;
        mailbox.Forgotten = reader.Number();
        var skips = SkipList.Empty;
        long before = 0;
        for (var left = reader.Count(MostSkips); left > 0; left--)
        {
            var from = before + reader.Number();
            before = from + reader.Number();
            skips = skips.Add(from, before, (ResetReason)reader.Byte());
        }
        mailbox.Skips = skips;
        var epochs = new EpochEnd[reader.Count(EpochEnd.MostKept)];
        for (var i = 0; i < epochs.Length; i++)
            epochs[i] = new EpochEnd(checked((uint)reader.Number()), reader.Number(), reader.Number());
        mailbox.Epochs = epochs;
        mailbox.IsKnown = true;
        mailbox.Heads = mailbox.Count == 0 ? [] : null;
    }
}

/// <summary>
/// All epochs up to <see cref="Epoch"/> ended. <see cref="Top"/> is the highest number that went on into the next epoch; a client that
/// comes with such an epoch and the position s goes on behind min(s, <see cref="Common"/>), because up to there its numbers mean the
/// messages that they mean here.
/// </summary>
internal readonly record struct EpochEnd(uint Epoch, long Top, long Common)
{
    /// <summary>Most that a mailbox remembers; for older ones the oldest of these counts.</summary>
    public const int MostKept = 8;

    /// <summary>Epochs of one partition epoch: mailboxes that begin a new epoch alone count up inside it.</summary>
    public const uint Stride = 65_536;
}
