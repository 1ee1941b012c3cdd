using System.Buffers.Binary;
using System.Security.Cryptography;
using PushSystem.Center.Bodies;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// The users seen so far, as 128 bits of their SHA-256 each, so that a list of a million distinct ones takes 32 MiB whatever their
/// length and no list can be made whose users collide.
/// Owns its table, which counts against the budget of bodies; one request uses and disposes it.
/// </summary>
internal sealed class UserSet(BodyBudget budget) : IDisposable
{
    private const int SlotBytes = 16, FirstSlots = 1_024;

    // An empty slot is 0; open addressing, at most three quarters full.
    private UInt128[] _slots = [];
    private int _count;

    /// <summary>False: it was there already.</summary>
    public bool Add(ReadOnlySpan<byte> user)
    {
        if ((_count + 1) * 4L > _slots.Length * 3L)
            Grow();
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(user, hash);
        var key = BinaryPrimitives.ReadUInt128LittleEndian(hash) | 1;
        if (!Put(_slots, key))
            return false;
        _count++;
        return true;
    }

    public void Dispose()
    {
        budget.Release(_slots.Length * SlotBytes);
        _slots = [];
    }

    private void Grow()
    {
        var length = Math.Max(FirstSlots, _slots.Length * 2);
        if (!budget.TryTake(length * SlotBytes))
            throw Problems.BodiesOverloaded();
        var grown = new UInt128[length];
        foreach (var key in _slots)
        {
            if (key != 0)
                Put(grown, key);
        }
        budget.Release(_slots.Length * SlotBytes);
        _slots = grown;
    }

    private static bool Put(UInt128[] slots, UInt128 key)
    {
        // The lowest bit is always set, so the place is taken from the others.
        var mask = slots.Length - 1;
        for (var at = (int)(ulong)(key >> 1) & mask; ; at = (at + 1) & mask)
        {
            if (slots[at] == key)
                return false;
            if (slots[at] != 0)
                continue;
            slots[at] = key;
            return true;
        }
    }
}
