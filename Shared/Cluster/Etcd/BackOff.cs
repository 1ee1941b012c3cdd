namespace PushSystem.Cluster.Etcd;

/// <summary>Pauses that double from the least to the most and are spread by ±50 %, so that nodes that failed together do not come back together. Pure.</summary>
internal static class BackOff
{
    /// <summary>The pause after this many failures in a row (1 = the first).</summary>
    public static TimeSpan After(int failures, TimeSpan least, TimeSpan most)
    {
        var doubled = least.Ticks * Math.Pow(2, Math.Clamp(failures - 1, 0, 30));
        return Spread(TimeSpan.FromTicks((long)Math.Min(doubled, most.Ticks)));
    }

    /// <summary>From half to one and a half of it.</summary>
    public static TimeSpan Spread(TimeSpan pause) => pause * (0.5 + Random.Shared.NextDouble());
}
