using System.Buffers;

namespace PushSystem.Benchmarks.Codec;

/// <summary>An output that starts over at <see cref="Clear"/> and never grows, so that a benchmark measures the codec alone.</summary>
internal sealed class FixedBuffer(int size) : IBufferWriter<byte>
{
    private readonly byte[] _bytes = new byte[size];

    public int Written { get; private set; }

    public ReadOnlyMemory<byte> WrittenMemory => _bytes.AsMemory(0, Written);

    public void Clear() => Written = 0;

    public void Advance(int count) => Written += count;

    public Memory<byte> GetMemory(int sizeHint = 0) => _bytes.AsMemory(Written);

    public Span<byte> GetSpan(int sizeHint = 0) => _bytes.AsSpan(Written);
}
