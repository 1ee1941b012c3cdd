using System.Globalization;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.Broadcasts;

namespace PushSystem.Saver.Redis;

/// <summary>
/// How many users of an app were ever bound, summed over the partitions; each counts its own where it opens them. Holds no state; any
/// thread. After a loss the count grows back while the partitions are filled.
/// </summary>
internal sealed class RedisKnownUsers(IRedisLink link, int partitions) : IKnownUsers
{
    private readonly PartitionKeys[] _keys = [.. Enumerable.Range(0, partitions).Select(part => new PartitionKeys(part))];

    public async ValueTask<long> CountAsync(string app, CancellationToken cancellationToken)
    {
        try
        {
            var counts = await Task.WhenAll(_keys.Select(keys => link.ExecuteAsync("HGET", keys.KnownUsers, [app], cancellationToken)));
            return counts.Sum(count => count.IsNull ? 0 : long.Parse((string)count!, CultureInfo.InvariantCulture));
        }
        catch (RedisUnavailableException exception)
        {
            throw new StoreUnavailableException($"redis: {exception.Message}", exception);
        }
    }
}
