using System.Numerics;

namespace PushSystem.Loadtest.Reports;

/// <summary>
/// Log-linear histogram of microseconds: exact below 256, then 128 steps for each doubling, so that a value is off by less
/// than 0.8 %. One writer; readers may look while it is written and see slightly old counts. Nothing is allocated after
/// construction.
/// </summary>
public sealed class LatencyHistogram
{
    /// <summary>Larger values count as this: about 12.7 days.</summary>
    public const long MaxValue = (1L << 40) - 1;
    private const int LinearBits = 8, HalfBits = LinearBits - 1;
    private const int Linear = 1 << LinearBits, Half = 1 << HalfBits;

    private readonly long[] _counts = new long[Linear + ((40 - LinearBits) * Half)];
    private long _count, _sum, _max, _min = long.MaxValue;

    /// <summary>Values recorded.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>Largest value, exact, microseconds; 0 when empty.</summary>
    public long Max => Volatile.Read(ref _max);

    /// <summary>Smallest value, exact, microseconds; 0 when empty.</summary>
    public long Min => Count == 0 ? 0 : Volatile.Read(ref _min);

    /// <summary>Mean, exact, microseconds; 0 when empty.</summary>
    public double Mean => Count == 0 ? 0 : (double)Volatile.Read(ref _sum) / Count;

    /// <summary>Records microseconds; negative ones (clock granularity) count as 0.</summary>
    public void Record(long microseconds)
    {
        var value = Math.Clamp(microseconds, 0, MaxValue);
        _counts[IndexOf(value)]++;
        _count++;
        _sum += value;
        if (value > _max)
            _max = value;
        if (value < _min)
            _min = value;
    }

    /// <summary>Adds another histogram's counts.</summary>
    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++)
            _counts[i] += Volatile.Read(ref other._counts[i]);
        _count += other.Count;
        _sum += Volatile.Read(ref other._sum);
        _max = Math.Max(_max, other.Max);
        _min = Math.Min(_min, Volatile.Read(ref other._min));
    }

    /// <summary>
    /// The smallest recorded step that at least <paramref name="percentile"/> percent (0 to 100) of the values do not exceed; its
    /// upper edge, never beyond <see cref="Max"/>. 0 when empty.
    /// </summary>
    public long Percentile(double percentile)
    {
        if (Count == 0)
            return 0;
        var wanted = Math.Max(1, (long)Math.Ceiling(Count * percentile / 100));
        long seen = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += Volatile.Read(ref _counts[i]);
            if (seen >= wanted)
                return Math.Min(UpperEdge(i), Max);
        }
        return Max;
    }

    private static int IndexOf(long value)
    {
        if (value < Linear)
            return (int)value;
        var shift = BitOperations.Log2((ulong)value) - HalfBits;
        // The top LinearBits bits of the value, of which the first is always set, choose the step.
        return Linear + ((shift - 1) * Half) + (int)(value >> shift) - Half;
    }

    private static long UpperEdge(int index)
    {
        if (index < Linear)
            return index;
        var shift = ((index - Linear) / Half) + 1;
        var step = ((index - Linear) % Half) + Half;
        return ((long)(step + 1) << shift) - 1;
    }
}
