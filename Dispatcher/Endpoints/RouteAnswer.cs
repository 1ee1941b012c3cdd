using System.Buffers;
using System.Buffers.Text;
using PushSystem.Dispatcher.Routes;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>The JSON of an answer. Its length is known before it is written. On the stack of its request.</summary>
internal readonly ref struct RouteAnswer
{
    // "2026-01-01T12:00:00" and Z.
    private const int TimeBytes = 20, RoundTripBytes = 28;

    private readonly RouteTable _table;
    private readonly ReadOnlySpan<int> _chosen;
    private readonly ReadOnlySpan<byte> _tail;

    /// <summary>Indexes into the table's addresses, at least one.</summary>
    public RouteAnswer(DispatcherSnapshot settings, RouteTable table, ReadOnlySpan<int> chosen)
    {
        _table = table;
        _chosen = chosen;
        _tail = settings.TailOf(table.OwnerOf(chosen[0]).IsGroupB);
        Length = Head.Length + chosen.Length - 1 + _tail.Length + TimeBytes + End.Length;
        foreach (var index in chosen)
            Length += table.Addresses[index].Json.Length;
    }

    private static ReadOnlySpan<byte> Head => "{\"addresses\":["u8;

    private static ReadOnlySpan<byte> End => "\"}"u8;

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>Writes <see cref="Length"/> bytes; flushes nothing.</summary>
    public void Write(IBufferWriter<byte> output, DateTimeOffset now)
    {
        var span = output.GetSpan(Length);
        var at = Put(span, 0, Head);
        for (var i = 0; i < _chosen.Length; i++)
        {
            if (i > 0)
                span[at++] = (byte)',';
            at = Put(span, at, _table.Addresses[_chosen[i]].Json);
        }
        at = Put(span, at, _tail);
        Span<byte> text = stackalloc byte[RoundTripBytes];
        Utf8Formatter.TryFormat(now.UtcDateTime, text, out _, 'O');
        // Whole seconds are enough for a clock to be set by.
        at = Put(span, at, text[..(TimeBytes - 1)]);
        span[at++] = (byte)'Z';
        at = Put(span, at, End);
        output.Advance(at);
    }

    private static int Put(Span<byte> target, int at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(target[at..]);
        return at + bytes.Length;
    }
}
