using System.Buffers;

namespace PushSystem.Rpc.Wire;

/// <summary>
/// The received bytes of one link, cut into frames. It owns a pooled buffer that grows with the bytes that really came, never with what
/// a length claims; only the receive turn uses it, which disposes it at the end.
/// </summary>
internal sealed class FrameInput(int maxFrameBytes) : IDisposable
{
    /// <summary>Size at rest, bytes.</summary>
    public const int RestingBytes = 64 * 1024;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(RestingBytes);
    private int _start;
    private int _end;

    /// <summary>Where the next bytes go; never empty.</summary>
    public Memory<byte> Free()
    {
        if (_start == _end)
        {
            _start = _end = 0;
            if (_buffer.Length > 4 * RestingBytes)
                Replace(RestingBytes);
        }
        else if (_start > 0 && _buffer.Length - _end < RestingBytes / 4)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        if (_buffer.Length - _end < RestingBytes / 4)
            Replace(2 * _buffer.Length);
        return _buffer.AsMemory(_end);
    }

    public void Received(int count) => _end += count;

    /// <summary>The next whole frame; it is valid until <see cref="Free"/>. Throws <see cref="LinkProtocolException"/>.</summary>
    public bool TryRead(out NodeFrame frame)
    {
        if (!NodeFrame.TryRead(_buffer.AsSpan(_start, _end - _start), maxFrameBytes, out frame, out var length))
            return false;
        _start += length;
        return true;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _start = _end = 0;
    }

    private void Replace(int size)
    {
        var larger = ArrayPool<byte>.Shared.Rent(size);
        _buffer.AsSpan(_start, _end - _start).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
        _end -= _start;
        _start = 0;
    }
}
