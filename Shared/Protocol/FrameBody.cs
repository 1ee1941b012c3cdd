using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// A frame's body as one span. Copies into a pooled array only when the body is split over segments; Dispose returns it.
/// </summary>
public ref struct FrameBody
{
    private byte[]? _rented;

    /// <summary>Makes <paramref name="body"/> contiguous.</summary>
    public FrameBody(in ReadOnlySequence<byte> body)
    {
        if (body.IsSingleSegment)
        {
            Span = body.FirstSpan;
            return;
        }
        var length = (int)body.Length;
        _rented = ArrayPool<byte>.Shared.Rent(length);
        body.CopyTo(_rented);
        Span = _rented.AsSpan(0, length);
    }

    /// <summary>The bytes, valid until Dispose.</summary>
    public ReadOnlySpan<byte> Span { get; private set; }

    /// <summary>Returns the pooled array, if any.</summary>
    public void Dispose()
    {
        Span = default;
        if (_rented is { } rented)
        {
            _rented = null;
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
