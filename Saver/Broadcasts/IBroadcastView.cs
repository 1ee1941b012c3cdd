using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Broadcasts;

/// <summary>What the mailboxes of a cluster's saver ask of the broadcast log, and tell it. Thread-safe.</summary>
internal interface IBroadcastView
{
    /// <summary>
    /// The log of an app now: as new as this call where the hot tier answers. Throws <see cref="StoreUnavailableException"/> when nothing
    /// is known.
    /// </summary>
    ValueTask<BroadcastEnds> EndsAsync(string app, CancellationToken cancellationToken);

    /// <summary>
    /// The position in front of the first entry behind <paramref name="position"/> that is still to be delivered, and why those in
    /// between are left out.
    /// </summary>
    ValueTask<(long Position, ResetReason Reason)> SkipDeadAsync(string app, long position, CancellationToken cancellationToken);

    /// <summary>Users acknowledged the entries behind <paramref name="after"/> up to <paramref name="to"/>. Coalesced; never waits.</summary>
    void CountAcks(string app, uint epoch, long after, long to, int users);
}

/// <summary>Epoch, last sequence number and last released sequence number of an app's broadcast log.</summary>
internal readonly record struct BroadcastEnds(uint Epoch, long Top, long Released);

/// <summary>How many users of an app were ever bound, over all partitions.</summary>
internal interface IKnownUsers
{
    /// <summary>From the hot tier.</summary>
    ValueTask<long> CountAsync(string app, CancellationToken cancellationToken);
}
