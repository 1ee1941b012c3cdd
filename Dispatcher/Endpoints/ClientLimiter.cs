using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using PushSystem.Hosting;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>
/// Holds each client address to a rate. An IPv6 client owns its whole /64, so that is what counts.
/// Owns a bounded table: when it is full, clients that are not idle stay and new ones share one allowance. Any thread; nothing to dispose.
/// </summary>
internal sealed class ClientLimiter
{
    private const int Ipv6PrefixBytes = 8;

    private readonly DispatcherOptions _options;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<IPAddress, TokenBucket> _buckets = new();
    private readonly TokenBucket _others;
    private readonly Lock _sweeping = new();
    private long _sweptAt;

    public ClientLimiter(DispatcherOptions options, DispatcherMetrics metrics, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _others = new TokenBucket(time);
        _sweptAt = time.GetTimestamp();
        metrics.WatchClients(() => _buckets.Count);
    }

    /// <summary>Counts a request. False: there were too many, and <paramref name="retryAfter"/> says how long to wait.</summary>
    public bool TryTake(IPAddress? client, out TimeSpan retryAfter)
    {
        retryAfter = TimeSpan.Zero;
        return _options.ClientRate <= 0 || client is null || Find(Network(client)).TryTake(_options.ClientRate, _options.ClientBurst, out retryAfter);
    }

    private static IPAddress Network(IPAddress client)
    {
        if (client.IsIPv4MappedToIPv6)
            return client.MapToIPv4();
        if (client.AddressFamily != AddressFamily.InterNetworkV6)
            return client;
        Span<byte> bytes = stackalloc byte[16];
        client.TryWriteBytes(bytes, out _);
        bytes[Ipv6PrefixBytes..].Clear();
        return new IPAddress(bytes);
    }

    private TokenBucket Find(IPAddress network)
    {
        if (_buckets.TryGetValue(network, out var bucket))
            return bucket;
        if (_buckets.Count >= _options.MaxClients)
        {
            Sweep();
            if (_buckets.Count >= _options.MaxClients)
                return _others;
        }
        return _buckets.GetOrAdd(network, static (_, time) => new TokenBucket(time), _time);
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
                if (bucket.IsFull)
                    _buckets.TryRemove(network, out _);
            }
        }
    }
}
