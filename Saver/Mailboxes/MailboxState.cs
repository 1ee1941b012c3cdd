namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// The committed facts of one mailbox; immutable. Live messages are those above <see cref="Acked"/> and outside <see cref="Skips"/>:
/// the ones up to <see cref="TableTop"/> lie in the table of waiting messages, the others in the journal and in memory.
/// </summary>
internal sealed record MailboxState
{
    /// <summary>Row number, 0 = the user has never been seen.</summary>
    public long Id { get; init; }
    public required uint Epoch { get; init; }
    public long Acked { get; init; }
    public long Top { get; init; }
    /// <summary>Live messages and their payload bytes.</summary>
    public int Count { get; init; }
    public long Bytes { get; init; }
    /// <summary>Highest number in the table of waiting messages, and how many live ones it has.</summary>
    public long TableTop { get; init; }
    public int TableCount { get; init; }
    /// <summary>No live message expires before this; Unix milliseconds.</summary>
    public long EarliestExpiry { get; init; } = long.MaxValue;
    public long LastAckAt { get; init; }
    /// <summary>Position in the broadcast log, -1 until the first opening.</summary>
    public long Cursor { get; init; } = -1;
    /// <summary>Up to here it is no longer known what became of skipped messages.</summary>
    public long Forgotten { get; init; }
    public SkipList Skips { get; init; } = SkipList.Empty;

    public bool IsKnown => Id != 0;

    public bool IsLive(long seq) => seq > Acked && seq <= Top && !Skips.Covers(seq);
}

/// <summary>A message of the journal, held in memory. Immutable.</summary>
internal sealed class JournalMessage(
    Mailbox mailbox, long seq, PushSystem.Protocol.PayloadKind kind, long acceptedAt, long expiresAt, byte[] payload)
{
    /// <summary>Counted for each message besides its payload: objects, list entries, columns.</summary>
    public const int Overhead = 128;

    public Mailbox Mailbox => mailbox;
    public long Seq => seq;
    public PushSystem.Protocol.PayloadKind Kind => kind;
    public long AcceptedAt => acceptedAt;
    public long ExpiresAt => expiresAt;
    public byte[] Payload => payload;
    /// <summary>Row number in the journal.</summary>
    public long JournalId { get; init; }
    public int Cost => payload.Length + Overhead;

    public bool IsExpired(long now) => expiresAt <= now;
}

/// <summary>The key of the table of waiting messages: mailbox and sequence number in one integer, so that a mailbox lies together.</summary>
internal static class MessageId
{
    private const int SeqBits = 36;

    /// <summary>Highest sequence number, about 69 billion per mailbox.</summary>
    public const long MaxSeq = (1L << SeqBits) - 1;

    /// <summary>Highest mailbox number, about 134 million.</summary>
    public const long MaxMailbox = (1L << (63 - SeqBits)) - 1;

    public static long Of(long mailbox, long seq) => (mailbox << SeqBits) | seq;

    public static long SeqOf(long id) => id & MaxSeq;

    public static long MailboxOf(long id) => id >>> SeqBits;
}
