using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace PushSystem.Dispatcher.Networks;

/// <summary>
/// Longest-prefix match: which of many networks, nested or not, holds an address most closely. The networks are flattened into
/// ranges that do not overlap, sorted by their first address, so that a lookup is a binary search that allocates nothing; for IPv4 an
/// index by the upper 16 bits makes it short. Immutable; any thread.
/// </summary>
internal sealed class NetworkTable
{
    /// <summary>No network holds the address.</summary>
    public const int None = -1;

    private const int Ipv4Bits = 32, Ipv6Bits = 128, IndexBits = 16;

    private readonly uint[] _starts4;
    private readonly int[] _values4;
    private readonly int[] _index4;
    private readonly UInt128[] _starts6;
    private readonly int[] _values6;

    /// <summary>The network at position i has the value i. Of equal networks the later one counts.</summary>
    public NetworkTable(IReadOnlyList<IPNetwork> networks)
    {
        IsEmpty = networks.Count == 0;
        var (ranges4, ranges6) = (new List<Range>(), new List<Range>());
        for (var i = 0; i < networks.Count; i++)
        {
            var isIpv4 = networks[i].BaseAddress.AddressFamily == AddressFamily.InterNetwork;
            (isIpv4 ? ranges4 : ranges6).Add(ToRange(networks[i], isIpv4 ? Ipv4Bits : Ipv6Bits, i));
        }
        var flat4 = Flatten(ranges4, uint.MaxValue);
        _starts4 = [.. flat4.Select(range => (uint)range.Start)];
        _values4 = [.. flat4.Select(range => range.Value)];
        _index4 = Index(_starts4);
        var flat6 = Flatten(ranges6, UInt128.MaxValue);
        _starts6 = [.. flat6.Select(range => range.Start)];
        _values6 = [.. flat6.Select(range => range.Value)];
    }

    /// <summary>True when there is no network.</summary>
    public bool IsEmpty { get; }

    /// <summary>The position of the closest network that holds the address, or <see cref="None"/>.</summary>
    public int Find(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        if (written == 4)
            return Find4(BinaryPrimitives.ReadUInt32BigEndian(bytes));
        return address.IsIPv4MappedToIPv6
            ? Find4(BinaryPrimitives.ReadUInt32BigEndian(bytes[12..]))
            : _values6[Last(_starts6, BinaryPrimitives.ReadUInt128BigEndian(bytes), 0, _starts6.Length - 1)];
    }

    private int Find4(uint address)
    {
        var upper = (int)(address >> (Ipv4Bits - IndexBits));
        return _values4[Last(_starts4, address, _index4[upper], _index4[upper + 1])];
    }

    // The last position from low to high whose start is not above the address; the start at low never is.
    private static int Last<T>(T[] starts, T address, int low, int high) where T : struct, IComparable<T>
    {
        while (low < high)
        {
            var middle = (low + high + 1) >>> 1;
            if (starts[middle].CompareTo(address) <= 0)
                low = middle;
            else
                high = middle - 1;
        }
        return low;
    }

    // For each value of the upper bits: the position of the last range that begins at or before its first address.
    private static int[] Index(uint[] starts)
    {
        var index = new int[(1 << IndexBits) + 1];
        var at = 0;
        for (var upper = 0; upper < 1 << IndexBits; upper++)
        {
            var first = (uint)upper << (Ipv4Bits - IndexBits);
            while (at + 1 < starts.Length && starts[at + 1] <= first)
                at++;
            index[upper] = at;
        }
        index[1 << IndexBits] = starts.Length - 1;
        return index;
    }

    private static Range ToRange(IPNetwork network, int bits, int value)
    {
        Span<byte> bytes = stackalloc byte[16];
        network.BaseAddress.TryWriteBytes(bytes, out _);
        var start = bits == Ipv4Bits ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt128BigEndian(bytes);
        var hostBits = bits - network.PrefixLength;
        // A shift by the full width is no shift at all.
        var host = hostBits == Ipv6Bits ? UInt128.MaxValue : (UInt128.One << hostBits) - 1;
        return new Range(start, start | host, network.PrefixLength, value);
    }

    // Walks through the beginnings and ends in order; what is open is a stack, because networks nest and never cross.
    private static List<(UInt128 Start, int Value)> Flatten(List<Range> ranges, UInt128 highest)
    {
        ranges.Sort((a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.Prefix != b.Prefix ? a.Prefix.CompareTo(b.Prefix) : a.Value.CompareTo(b.Value));
        var flat = new List<(UInt128 Start, int Value)> { (0, None) };
        var open = new Stack<Range>();
        foreach (var range in ranges)
        {
            while (open.Count > 0 && open.Peek().End < range.Start)
                Close(flat, open, highest);
            Begin(flat, range.Start, range.Value);
            open.Push(range);
        }
        while (open.Count > 0)
            Close(flat, open, highest);
        return flat;
    }

    private static void Close(List<(UInt128 Start, int Value)> flat, Stack<Range> open, UInt128 highest)
    {
        var end = open.Pop().End;
        // What ends where the enclosing one ends leaves nothing of it.
        if (end < highest && (open.Count == 0 || open.Peek().End != end))
            Begin(flat, end + 1, open.Count == 0 ? None : open.Peek().Value);
    }

    private static void Begin(List<(UInt128 Start, int Value)> flat, UInt128 start, int value)
    {
        if (flat[^1].Start == start)
            flat[^1] = (start, value);
        else
            flat.Add((start, value));
    }

    private readonly record struct Range(UInt128 Start, UInt128 End, int Prefix, int Value);
}
