using System.Buffers;
using System.Text;

namespace PushSystem.MariaDb.Statements;

/// <summary>A growing buffer of a statement's bytes, from the shared pool. One thread; dispose gives the memory back.</summary>
internal sealed class StatementBuffer : IDisposable
{
    private const int FirstBytes = 1024;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(FirstBytes);
    private int _length;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public void Write(byte value)
    {
        if (_length == _bytes.Length)
            Grow(1);
        _bytes[_length++] = value;
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        _length += bytes.Length;
    }

    /// <summary>UTF-8 of the text. Throws <see cref="ArgumentException"/> when it is no valid Unicode.</summary>
    public void WriteText(ReadOnlySpan<char> text)
    {
        try
        {
            _length += Strict.GetBytes(text, Room(Strict.GetMaxByteCount(text.Length)));
        }
        catch (EncoderFallbackException)
        {
            throw new ArgumentException("A text is not valid Unicode: it has half a surrogate pair.");
        }
    }

    public void WriteFormatted<T>(T value, ReadOnlySpan<char> format = default) where T : IUtf8SpanFormattable
    {
        for (var room = 64; ; room *= 2)
        {
            if (value.TryFormat(Room(room), out var written, format, System.Globalization.CultureInfo.InvariantCulture))
            {
                _length += written;
                return;
            }
        }
    }

    /// <summary>Two digits for each byte.</summary>
    public void WriteHex(ReadOnlySpan<byte> bytes)
    {
        if (!Convert.TryToHexString(bytes, Room(checked(bytes.Length * 2)), out var written))
            throw new InvalidOperationException("The room for hexadecimal digits was too small.");
        _length += written;
    }

    public void Dispose()
    {
        var bytes = _bytes;
        _bytes = [];
        _length = 0;
        if (bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(bytes);
    }

    private Span<byte> Room(int bytes)
    {
        if (_bytes.Length - _length < bytes)
            Grow(bytes);
        return _bytes.AsSpan(_length);
    }

    private void Grow(int bytes)
    {
        var wanted = Math.Min(Math.Max((long)_length + bytes, 2L * _bytes.Length), Array.MaxLength);
        if (wanted < (long)_length + bytes)
            throw new ArgumentException($"The statement is larger than {Array.MaxLength} bytes.");
        var larger = ArrayPool<byte>.Shared.Rent((int)wanted);
        _bytes.AsSpan(0, _length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
