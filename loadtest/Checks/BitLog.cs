namespace PushSystem.Loadtest.Checks;

/// <summary>
/// A growing set of numbers from 1 that are dense: one bit each. One writer; others may read once the writer has stopped, or
/// see slightly old state before.
/// </summary>
internal sealed class BitLog
{
    private ulong[] _words = new ulong[1];

    /// <summary>True when the number was not in the set before.</summary>
    public bool Add(long number)
    {
        var (word, bit) = Locate(number);
        var words = _words;
        if (word >= words.Length)
        {
            Array.Resize(ref words, Math.Max(word + 1, words.Length * 2));
            Volatile.Write(ref _words, words);
        }
        if ((words[word] & bit) != 0)
            return false;
        words[word] |= bit;
        return true;
    }

    public bool Contains(long number)
    {
        var (word, bit) = Locate(number);
        var words = Volatile.Read(ref _words);
        return word < words.Length && (words[word] & bit) != 0;
    }

    /// <summary>The highest number, 0 when the set is empty.</summary>
    public long Highest
    {
        get
        {
            var words = Volatile.Read(ref _words);
            for (var i = words.Length - 1; i >= 0; i--)
            {
                if (words[i] != 0)
                    return ((long)i * 64) + 64 - System.Numerics.BitOperations.LeadingZeroCount(words[i]);
            }
            return 0;
        }
    }

    /// <summary>Numbers of this set that are not in the other.</summary>
    public long CountMissingIn(BitLog other)
    {
        var mine = Volatile.Read(ref _words);
        var theirs = Volatile.Read(ref other._words);
        long missing = 0;
        for (var i = 0; i < mine.Length; i++)
            missing += System.Numerics.BitOperations.PopCount(mine[i] & ~(i < theirs.Length ? theirs[i] : 0));
        return missing;
    }

    /// <summary>The first number of this set that is not in the other, 0 when there is none.</summary>
    public long FirstMissingIn(BitLog other)
    {
        var mine = Volatile.Read(ref _words);
        var theirs = Volatile.Read(ref other._words);
        for (var i = 0; i < mine.Length; i++)
        {
            var missing = mine[i] & ~(i < theirs.Length ? theirs[i] : 0);
            if (missing != 0)
                return ((long)i * 64) + System.Numerics.BitOperations.TrailingZeroCount(missing) + 1;
        }
        return 0;
    }

    private static (int Word, ulong Bit) Locate(long number)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(number, 1);
        var index = number - 1;
        return (checked((int)(index >> 6)), 1UL << (int)(index & 63));
    }
}
