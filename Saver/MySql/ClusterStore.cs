using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.MySql;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver;

/// <summary>
/// Everything of a cluster's saver: mailboxes over redis that land in MySQL, and the stores over MySQL. Any thread. Owns all of it but the
/// link to redis, which is the caller's and is disposed after this.
/// </summary>
public sealed class ClusterStore : IAsyncDisposable
{
    private readonly MySqlStores _stores;
    private readonly RedisMailboxes _mailboxes;
    private readonly IRedisLink _redis;

    private ClusterStore(MySqlStores stores, RedisMailboxes mailboxes, IRedisLink redis)
    {
        _stores = stores;
        _mailboxes = mailboxes;
        _redis = redis;
        stores.Broadcasts.KnownUsers = mailboxes;
    }

    /// <summary>The mailboxes.</summary>
    public IMailboxes Mailboxes => _mailboxes;

    /// <summary>The broadcast logs.</summary>
    public IBroadcastLog Broadcasts => _stores.Broadcasts;

    /// <summary>The multicasts.</summary>
    public IMulticasts Multicasts => _stores.Multicasts;

    /// <summary>Who does which work.</summary>
    public IWorkClaims Claims => _stores.Claims;

    /// <summary>Events for webhooks.</summary>
    public IEventQueue Events => _stores.Events;

    /// <summary>Kept answers.</summary>
    public IIdempotencyStore Idempotency => _stores.Idempotency;

    /// <summary>Small facts.</summary>
    public IFactStore Facts => _stores.Facts;

    /// <summary>Null when the database answered the last call, otherwise why not. Unicast at level Stored and reading go on without it.</summary>
    public string? DatabaseFailure => _stores.Failure;

    /// <summary>Null when redis answered the last calls, otherwise why not. Mailboxes do not work without it.</summary>
    public string? RedisFailure => _redis.Failure;

    /// <summary>For the store check of the health page: null when both answer.</summary>
    public string? Failure => (DatabaseFailure, RedisFailure) switch
    {
        (null, null) => null,
        ({ } database, null) => $"database: {database}",
        (null, { } redis) => $"redis: {redis}",
        var (database, redis) => $"database: {database}; redis: {redis}",
    };

    /// <summary>
    /// Opens the database, brings its schema up to date and begins landing. <paramref name="partitions"/> is fixed for the life of the data;
    /// <paramref name="nodeId"/> is for people who look into redis. Throws <see cref="StoreUnavailableException"/> when there is no database
    /// now, <see cref="InvalidDataException"/> when it is not one that this program can use, <see cref="ArgumentException"/> for bad options.
    /// </summary>
    public static async Task<ClusterStore> OpenAsync(
        MySqlOptions database, ClusterSaverOptions mailboxes, IRedisLink redis, IAppDirectory apps, int partitions, string nodeId, TimeProvider clock,
        ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(mailboxes);
        mailboxes.Validate();
        var stores = await MySqlStores.OpenAsync(database, redis, partitions, apps, clock, loggers.CreateLogger<ClusterStore>(), cancellationToken);
        try
        {
            var boxes = new RedisMailboxes(redis, stores.Source, apps, stores.Broadcasts, partitions, nodeId, mailboxes, clock, loggers);
            var store = new ClusterStore(stores, boxes, redis);
            try
            {
                await boxes.StartAsync(cancellationToken);
                return store;
            }
            catch
            {
                await boxes.DisposeAsync();
                throw;
            }
        }
        catch
        {
            await stores.DisposeAsync();
            throw;
        }
    }

    /// <summary>One round of removing what expired from the stores, for tests; true when there may be more.</summary>
    internal Task<bool> SweepAsync(CancellationToken cancellationToken) => _stores.Sweeper.SweepAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The mailboxes land what they still have and count their last acknowledgements in the log.
        await _mailboxes.DisposeAsync();
        await _stores.DisposeAsync();
    }
}
