using PushSystem.Contracts;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver.Landing;

/// <summary>What has to be written of one mailbox. Built on the partition's loop, immutable afterwards.</summary>
internal sealed class LandingRow(byte[] user, byte[]? state, long deleteBelow, IReadOnlyList<LandingItem> messages, IReadOnlyList<LandingItem> parked)
{
    /// <summary><see cref="PackedUser"/>.</summary>
    public byte[] User => user;

    /// <summary><see cref="PackedState"/>; null = what has landed stays.</summary>
    public byte[]? State => state;

    /// <summary>Messages below this number go; 0 = none.</summary>
    public long DeleteBelow => deleteBelow;

    /// <summary>Messages that still wait, with their bytes.</summary>
    public IReadOnlyList<LandingItem> Messages => messages;

    public IReadOnlyList<LandingItem> Parked => parked;

    public ReadOnlySpan<byte> AppBytes => user.AsSpan(0, user.AsSpan().IndexOf((byte)0));

    public ReadOnlySpan<byte> UserBytes => user.AsSpan(user.AsSpan().IndexOf((byte)0) + 1);
}

/// <summary>What one partition has to land up to the journal number <see cref="UpTo"/>, written by the owner with this fence.</summary>
/// <param name="Jseq">The owner's last number: a landing tier that knows a higher one has seen what redis has lost.</param>
internal sealed record LandingBatch(int Part, uint Epoch, long Fence, long Jseq, long UpTo, IReadOnlyList<LandingRow> Rows);

/// <summary>How a batch ended.</summary>
internal enum LandingOutcome
{
    /// <summary>Committed.</summary>
    Landed,
    /// <summary>A later owner has landed already; nothing was written.</summary>
    Fenced,
    /// <summary>The landing tier knows more than redis (or has forgotten the partition): data was lost; nothing was written.</summary>
    Lost,
}

/// <summary>The row of a partition; all zero when there is none.</summary>
internal readonly record struct PartRow(uint Epoch, long Fence, long Jseq);

/// <summary>The outcome for one batch with the partition's row as it was before.</summary>
internal readonly record struct LandingResult(LandingBatch Batch, LandingOutcome Outcome, PartRow Row);

/// <summary>A mailbox as it landed: its packed state, null when there is none, and its messages by number.</summary>
internal sealed class LandedMailbox
{
    public byte[]? State { get; set; }
    public SortedList<long, byte[]> Messages { get; } = [];
}

/// <summary>What the owner of a partition hears from the lander. Called by the lander's loop; must not wait.</summary>
internal interface ILandingSource
{
    /// <summary>True when something waits to be landed now.</summary>
    bool IsDue(long now);

    /// <summary>Takes up to so many items for landing; null when there is nothing or the partition is somebody else's.</summary>
    ValueTask<LandingBatch?> CollectAsync(int items, CancellationToken cancellationToken);

    /// <summary>How it ended.</summary>
    void Settle(in LandingResult result);

    /// <summary>The partition's row, for those who wait for what another owner lands; asked for when <see cref="HasOrphans"/>.</summary>
    void Look(PartRow row);

    /// <summary>True when callers wait for a landing that is somebody else's now.</summary>
    bool HasOrphans { get; }
}
