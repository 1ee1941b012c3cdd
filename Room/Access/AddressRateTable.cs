using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace PushSystem.Room.Access;

/// <summary>
/// Connections per second of each address (IPv6: each /64). It owns a table of fixed size: four places per set, chosen by a keyed
/// hash that nobody can aim at; a new address takes the place of the one that connected least lately. Any thread; nothing needs
/// disposal.
/// </summary>
internal sealed class AddressRateTable
{
    private const int Ways = 4;

    private readonly Lock _lock = new();
    private readonly Func<RoomOptions> _options;
    private readonly TimeProvider _time;
    private Bucket[] _buckets = [];
    private readonly int _sets;
    private readonly ulong _key = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8));

    /// <summary>The rates are read from the settings in force at each use, the size now.</summary>
    public AddressRateTable(Func<RoomOptions> options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _sets = Math.Max(1, options().MaxTrackedAddresses / Ways);
    }

    /// <summary>False: this address connects too often.</summary>
    public bool TryTake(IPAddress address)
    {
        var options = _options();
        double perSecond = options.ConnectionsPerSecondPerAddress, burst = options.ConnectionBurstPerAddress;
        if (perSecond <= 0)
            return true;
        var (high, low) = Identity(address);
        var now = _time.GetTimestamp();
        lock (_lock)
        {
            // Made when the rate is first limited.
            if (_buckets.Length == 0)
                _buckets = new Bucket[_sets * Ways];
            ref var bucket = ref Place(high, low);
            if (bucket.UsedAt == 0 || bucket.High != high || bucket.Low != low)
                bucket = new Bucket { High = high, Low = low, Tokens = burst, UsedAt = now };
            bucket.Tokens = Math.Min(burst, bucket.Tokens + _time.GetElapsedTime(bucket.UsedAt, now).TotalSeconds * perSecond);
            bucket.UsedAt = now;
            if (bucket.Tokens < 1)
                return false;
            bucket.Tokens--;
            return true;
        }
    }

    private ref Bucket Place(ulong high, ulong low)
    {
        var hash = (high ^ _key) * 0x9E3779B97F4A7C15 ^ System.Numerics.BitOperations.RotateLeft((low + _key) * 0xC2B2AE3D27D4EB4F, 31);
        var first = (int)(System.Numerics.BitOperations.RotateLeft(hash * 0xD6E8FEB86659FD93, 32) % (ulong)_sets) * Ways;
        var oldest = first;
        for (var i = first; i < first + Ways; i++)
        {
            if (_buckets[i].UsedAt != 0 && _buckets[i].High == high && _buckets[i].Low == low)
                return ref _buckets[i];
            if (_buckets[i].UsedAt < _buckets[oldest].UsedAt)
                oldest = i;
        }
        return ref _buckets[oldest];
    }

    private static (ulong High, ulong Low) Identity(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return address.AddressFamily == AddressFamily.InterNetwork
            ? (1UL, (ulong)BinaryPrimitives.ReadUInt32BigEndian(bytes))
            : (2UL, BinaryPrimitives.ReadUInt64BigEndian(bytes));
    }

    private struct Bucket
    {
        public ulong High, Low;
        public double Tokens;
        public long UsedAt;
    }
}
