using System.Threading.Channels;
using PushSystem.Contracts;

namespace PushSystem.Register.Redis;

/// <summary>
/// Removes entries of dead rooms, slowly: once in an interval it reads each part's counters by room, and only where a dead room has
/// entries it goes over the buckets. Entries that lookups find dead in between are removed as they come, as far as there is time: over
/// the bound they are left for a round. Owns its loops; one round at a time; any thread offers; the registry disposes it.
/// </summary>
internal sealed class Sweeper : IAsyncDisposable
{
    private const int BucketsPerClaim = 64, MaxFound = 1_024;
    private static readonly TimeSpan ClaimLength = TimeSpan.FromSeconds(30);

    private readonly RedisContext _context;
    private readonly RegisterPart[] _parts;
    private readonly DeadRooms _dead;
    private readonly RegisterMetrics _metrics;
    private readonly string _self = Guid.NewGuid().ToString("N");
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<SessionEntry> _found;
    private readonly Task _loop;
    private readonly Task _removing;
    private readonly TaskCompletionSource _probed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _entries;

    public Sweeper(RedisContext context, RegisterPart[] parts, DeadRooms dead, RegisterMetrics metrics)
    {
        _context = context;
        _parts = parts;
        _dead = dead;
        _metrics = metrics;
        _found = Channel.CreateBounded<SessionEntry>(
            new BoundedChannelOptions(MaxFound) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true },
            _ => context.Metrics.Postponed.Add(1));
        _loop = LoopAsync();
        _removing = RemoveFoundAsync();
    }

    /// <summary>Entries as counted in the last round.</summary>
    public long Entries => Interlocked.Read(ref _entries);

    /// <summary>It was seen how redis keeps the hashes.</summary>
    public Task Probed => _probed.Task;

    /// <summary>A lookup found an entry of a dead room.</summary>
    public void Offer(SessionEntry entry) => _found.Writer.TryWrite(entry);

    /// <summary>One round. Parts that redis does not serve now are left for the next one.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        var homes = new Dictionary<RoomIncarnation, long>[_parts.Length];
        long entries = 0;
        for (var i = 0; i < homes.Length; i++)
        {
            homes[i] = await TryAsync(() => _parts[i].HomesAsync(cancellationToken)) ?? [];
            entries += homes[i].Values.Sum();
        }
        Interlocked.Exchange(ref _entries, entries);
        _dead.Turn(homes.SelectMany(part => part.Keys).Distinct());
        // Each register in another order, so that two of them seldom meet at a part.
        var order = Enumerable.Range(0, _parts.Length).ToArray();
        Random.Shared.Shuffle(order);
        foreach (var i in order)
        {
            if (homes[i].Keys.Any(_dead.IsDead))
                await TryAsync(() => SweepAsync(_parts[i], homes[i], cancellationToken));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        await _removing;
        _stopping.Dispose();
    }

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(_context.Options.SweepInterval, _context.Time);
        try
        {
            var probed = await TryProbeAsync(0);
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                if (probed < _parts.Length)
                    probed = await TryProbeAsync(probed);
                await SweepAsync(_stopping.Token);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The registry is being closed.
        }
        catch (Exception exception)
        {
            RegisterLog.SweepingEnded(_context.Logger, exception);
        }
    }

    private async Task RemoveFoundAsync()
    {
        try
        {
            await foreach (var entry in _found.Reader.ReadAllAsync(_stopping.Token))
            {
                var (part, item) = _context.Locate(entry.Key, entry);
                await TryAsync<object?>(async () =>
                {
                    _metrics.Swept.Add(await _parts[part].RemoveAsync(item, _stopping.Token));
                    return null;
                });
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The registry is being closed.
        }
        catch (Exception exception)
        {
            RegisterLog.SweepingEnded(_context.Logger, exception);
        }
    }

    private async Task<object?> SweepAsync(RegisterPart part, Dictionary<RoomIncarnation, long> homes, CancellationToken cancellationToken)
    {
        var removed = 0;
        for (var bucket = 0; bucket < part.Buckets; bucket++)
        {
            if (bucket % BucketsPerClaim == 0 && !await part.TryClaimAsync(_self, ClaimLength, cancellationToken))
                return null;
            await PaceAsync(cancellationToken);
            removed += await part.SweepAsync(bucket, _dead.IsDead, cancellationToken);
        }
        _metrics.Swept.Add(removed);
        RegisterLog.Swept(_context.Logger, removed);
        var left = await part.HomesAsync(cancellationToken);
        foreach (var (home, count) in left)
        {
            // All buckets were seen: a counter that did not move counts nothing.
            if (_dead.IsDead(home) && homes.TryGetValue(home, out var before) && before == count)
                await part.ForgetAsync(home, count, cancellationToken);
        }
        return null;
    }

    private Task PaceAsync(CancellationToken cancellationToken) =>
        Task.Delay(TimeSpan.FromSeconds(1.0 / _context.Options.SweepBucketsPerSecond), _context.Time, cancellationToken);

    /// <summary>
    /// Looks, once for each part, whether redis is set up to keep buckets small. Returns the first part that is still to be asked
    /// because redis did not serve it.
    /// </summary>
    private async Task<int> TryProbeAsync(int part)
    {
        var fields = _context.Options.BucketEntries;
        for (; part < _parts.Length; part++)
        {
            if (await TryAsync(() => _parts[part].ProbeAsync(fields, _stopping.Token)) is not { } encoding)
                return part;
            if (encoding is "listpack" or "ziplist")
                continue;
            RegisterLog.BucketsAreLarge(_context.Logger, part, fields, SessionPacking.MaxValueBytes, encoding);
            // One warning is enough: servers of a cluster are set up alike.
            part = _parts.Length;
        }
        _probed.TrySetResult();
        return part;
    }

    private static async Task<T?> TryAsync<T>(Func<Task<T>> work)
        where T : class?
    {
        try
        {
            return await work();
        }
        catch (StoreUnavailableException)
        {
            return null;
        }
    }
}
