namespace PushSystem.Contracts;

/// <summary>
/// The hash behind "same user, same room" and behind every division of work among nodes. Every node of every version must agree on
/// it, so it is defined here and never changes: FNV-1a, 64 bit (offset basis 14695981039346656037, prime 1099511628211) over the UTF-8 bytes, then the finalizer of
/// MurmurHash3 (shift 33, times 0xff51afd7ed558ccd, shift 33, times 0xc4ceb9fe1a85ec53, shift 33), because FNV alone spreads the last
/// bytes badly. Pure.
/// </summary>
public static class StableHash
{
    private const ulong Basis = 14_695_981_039_346_656_037, Prime = 1_099_511_628_211;

    /// <summary>The hash of a text's UTF-8 bytes.</summary>
    public static ulong Of(string text)
    {
        var hash = Basis;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            var length = rune.EncodeToUtf8(bytes);
            foreach (var one in bytes[..length])
                hash = (hash ^ one) * Prime;
        }
        return Mix(hash);
    }

    /// <summary>The same hash of a text that is UTF-8 already.</summary>
    public static ulong Of(ReadOnlySpan<byte> utf8)
    {
        var hash = Basis;
        foreach (var one in utf8)
            hash = (hash ^ one) * Prime;
        return Mix(hash);
    }

    /// <summary>The hash of a pair of hashes; the order counts.</summary>
    public static ulong Pair(ulong first, ulong second) => Mix(first ^ (Mix(second) * Prime));

    /// <summary>A number above 0 and below 1 made of the upper 53 bits.</summary>
    public static double Unit(ulong hash) => ((hash >> 11) + 0.5) * (1.0 / (1UL << 53));

    /// <summary>The hash of a user: of the app and of the user in it.</summary>
    public static ulong Of(UserKey key) => Pair(Of(key.App), Of(key.User));

    /// <summary>Which of <paramref name="parts"/> parts a user belongs to, from 0. Fixed for the life of the data that is laid out by it.</summary>
    public static int Part(UserKey key, int parts) => (int)(Of(key) % (uint)parts);

    /// <summary>How much a node wants a piece of work: the highest of all nodes gets it (rendezvous hashing).</summary>
    public static ulong Rank(ulong work, string node) => Pair(work, Of(node));

    private static ulong Mix(ulong hash)
    {
        hash ^= hash >> 33;
        hash *= 0xff51afd7ed558ccd;
        hash ^= hash >> 33;
        hash *= 0xc4ceb9fe1a85ec53;
        return hash ^ (hash >> 33);
    }
}
