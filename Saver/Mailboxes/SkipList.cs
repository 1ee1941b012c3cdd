using System.Collections.Immutable;
using PushSystem.Protocol;

namespace PushSystem.Saver.Mailboxes;

/// <summary>Sequence numbers From to To, both included, will not be delivered.</summary>
internal readonly record struct SkipRange(long From, long To, ResetReason Reason);

/// <summary>
/// The ranges of one mailbox that will not be delivered: ordered, without overlap, neighbours of one reason joined. Immutable.
/// </summary>
internal sealed class SkipList
{
    /// <summary>Most ranges below the acknowledged position that are remembered, to answer what became of a message.</summary>
    public const int MaxRemembered = 64;

    public static readonly SkipList Empty = new([]);

    private SkipList(ImmutableArray<SkipRange> ranges) => Ranges = ranges;

    public ImmutableArray<SkipRange> Ranges { get; }

    /// <summary>Highest number in any range, 0 when empty.</summary>
    public long Last => Ranges.IsEmpty ? 0 : Ranges[^1].To;

    /// <summary>The range that holds <paramref name="seq"/>.</summary>
    public bool TryFind(long seq, out SkipRange range)
    {
        var index = IndexAtOrBefore(seq);
        range = index < 0 ? default : Ranges[index];
        return index >= 0 && seq <= range.To;
    }

    public bool Covers(long seq) => !Ranges.IsEmpty && TryFind(seq, out _);

    /// <summary>Adds a range that touches none of those present.</summary>
    public SkipList Add(long from, long to, ResetReason reason)
    {
        var index = IndexAtOrBefore(from) + 1;
        var builder = Ranges.ToBuilder();
        if (index > 0 && builder[index - 1] is var before && before.To == from - 1 && before.Reason == reason)
        {
            index--;
            from = before.From;
            builder.RemoveAt(index);
        }
        if (index < builder.Count && builder[index] is var after && after.From == to + 1 && after.Reason == reason)
        {
            to = after.To;
            builder.RemoveAt(index);
        }
        builder.Insert(index, new SkipRange(from, to, reason));
        return new SkipList(builder.ToImmutable());
    }

    /// <summary>Forgets the oldest ranges at or below <paramref name="acked"/>; says up to where, or 0.</summary>
    public (SkipList List, long ForgottenTo) Trim(long acked)
    {
        var excess = 0;
        while (Ranges.Length - excess > MaxRemembered && Ranges[excess].To <= acked)
            excess++;
        return excess == 0 ? (this, 0) : (new SkipList(Ranges[excess..]), Ranges[excess - 1].To);
    }

    private int IndexAtOrBefore(long seq)
    {
        int low = 0, high = Ranges.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (Ranges[middle].From <= seq)
                low = middle + 1;
            else
                high = middle - 1;
        }
        return high;
    }
}

/// <summary>Which of two reasons tells the client more, when one statement covers both.</summary>
internal static class ResetReasons
{
    public static ResetReason Stronger(ResetReason one, ResetReason other) => Rank(one) >= Rank(other) ? one : other;

    private static int Rank(ResetReason reason) => reason switch
    {
        ResetReason.None => 0,
        ResetReason.Expired => 1,
        ResetReason.Cancelled => 2,
        ResetReason.Poison => 3,
        ResetReason.Overflow => 4,
        _ => 5,
    };
}
