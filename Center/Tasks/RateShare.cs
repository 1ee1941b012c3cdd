namespace PushSystem.Center.Tasks;

/// <summary>Divides a task's rate among rooms. Pure.</summary>
internal static class RateShare
{
    /// <summary>
    /// Shares of <paramref name="rate"/> in proportion to the weights (0 counts as 1). Rate 0 means unlimited and stays 0. A room gets at
    /// least 1, because 0 would free it of every limit; otherwise the shares add up to the rate.
    /// </summary>
    public static int[] Split(int rate, IReadOnlyList<long> weights)
    {
        var shares = new int[weights.Count];
        if (rate == 0 || shares.Length == 0)
            return shares;
        var total = weights.Sum(weight => Math.Max(1, weight));
        var given = 0;
        for (var i = 0; i < shares.Length; i++)
            given += shares[i] = (int)((Int128)rate * Math.Max(1, weights[i]) / total);
        // What rounding left over goes round from the first on.
        for (var i = 0; given < rate; i = (i + 1) % shares.Length, given++)
            shares[i]++;
        for (var i = 0; i < shares.Length; i++)
            shares[i] = Math.Max(1, shares[i]);
        return shares;
    }
}
