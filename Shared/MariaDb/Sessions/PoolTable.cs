using System.Collections.Concurrent;

namespace PushSystem.MariaDb.Sessions;

/// <summary>Pools of connections that were made without a data source, by connection string. Lives as long as the process.</summary>
internal static class PoolTable
{
    private static readonly ConcurrentDictionary<string, Lazy<SessionPool>> Pools = new(StringComparer.Ordinal);

    /// <summary>Throws <see cref="ArgumentException"/> naming a bad key.</summary>
    public static SessionPool Get(string connectionString) => Pools.GetOrAdd(
        connectionString,
        static text =>
        {
            var settings = new MariaDbConnectionStringBuilder(text).Read();
            return new Lazy<SessionPool>(() => new SessionPool(settings));
        }).Value;

    /// <summary>Closes all idle connections.</summary>
    public static void Clear()
    {
        foreach (var pool in Pools.Values)
            pool.Value.Clear();
    }
}
