using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using PushSystem.Hosting;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>
/// Holds each client address to a rate. An IPv6 client owns its whole /64, so that is what counts.
/// Owns a bounded table: when it is full, clients that are not idle stay and new ones share one allowance. Any thread; nothing to dispose.
/// </summary>
internal sealed class ClientLimiter
{
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<UInt128, TokenBucket> _buckets = new();
    private readonly TokenBucket _others;
    private readonly Lock _sweeping = new();
    private long _sweptAt;
    // Counted here, because the dictionary locks all of itself to count.
    private int _count;

    public ClientLimiter(DispatcherMetrics metrics, TimeProvider time)
    {
        _time = time;
        _others = new TokenBucket(time);
        _sweptAt = time.GetTimestamp();
        metrics.WatchClients(() => Volatile.Read(ref _count));
    }

    /// <summary>Counts a request. False: there were too many, and <paramref name="retryAfter"/> says how long to wait.</summary>
    public bool TryTake(IPAddress? client, DispatcherOptions options, out TimeSpan retryAfter)
    {
        retryAfter = TimeSpan.Zero;
        return options.ClientRate <= 0 || client is null
            || Find(Network(client), options.MaxClients).TryTake(options.ClientRate, options.ClientBurst, out retryAfter);
    }

    // IPv4 addresses as IPv6 maps them, so that one client is one number whichever way it came.
    private static UInt128 Network(IPAddress client)
    {
        Span<byte> bytes = stackalloc byte[16];
        client.TryWriteBytes(bytes, out var written);
        if (written == 4)
            return 0xffff_0000_0000UL | BinaryPrimitives.ReadUInt32BigEndian(bytes);
        if (!client.IsIPv4MappedToIPv6)
            bytes[8..].Clear();
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private TokenBucket Find(UInt128 network, int maxClients)
    {
        if (_buckets.TryGetValue(network, out var bucket))
            return bucket;
        if (Volatile.Read(ref _count) >= maxClients)
        {
            Sweep();
            if (Volatile.Read(ref _count) >= maxClients)
                return _others;
        }
        var added = new TokenBucket(_time);
        bucket = _buckets.GetOrAdd(network, added);
        if (bucket == added)
            Interlocked.Increment(ref _count);
        return bucket;
    }

    // A full bucket says nothing that a new one would not say. At most once per second, because a sweep looks at every client.
    private void Sweep()
    {
        lock (_sweeping)
        {
            if (_time.GetElapsedTime(_sweptAt) < TimeSpan.FromSeconds(1))
                return;
            _sweptAt = _time.GetTimestamp();
            foreach (var (network, bucket) in _buckets)
            {
                if (bucket.IsFull && _buckets.TryRemove(network, out _))
                    Interlocked.Decrement(ref _count);
            }
        }
    }
}
