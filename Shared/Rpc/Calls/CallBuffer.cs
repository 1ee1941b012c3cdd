using System.Buffers;

namespace PushSystem.Rpc.Calls;

/// <summary>The bytes of one call object: a small array that it keeps, or a rented one while it needs more. A mutable struct: keep it in a field.</summary>
internal struct CallBuffer()
{
    /// <summary>Size of the array that is kept, bytes.</summary>
    public const int KeptBytes = 512;

    private readonly byte[] _kept = new byte[KeptBytes];
    private byte[]? _rented;

    public readonly byte[] Bytes => _rented ?? _kept;

    /// <summary>At least <paramref name="size"/> bytes; what was there is lost.</summary>
    public byte[] Renew(int size)
    {
        if (size <= Bytes.Length)
            return Bytes;
        Release();
        return _rented = ArrayPool<byte>.Shared.Rent(size);
    }

    /// <summary>At least <paramref name="size"/> bytes that begin with the first <paramref name="used"/> of before.</summary>
    public byte[] Grow(int size, int used)
    {
        if (size <= Bytes.Length)
            return Bytes;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(size, 2 * Bytes.Length));
        Bytes.AsSpan(0, used).CopyTo(larger);
        Release();
        return _rented = larger;
    }

    /// <summary>Gives back what was rented.</summary>
    public void Release()
    {
        if (_rented is null)
            return;
        ArrayPool<byte>.Shared.Return(_rented);
        _rented = null;
    }
}
