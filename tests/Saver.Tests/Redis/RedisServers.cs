using System.Data.Common;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.MariaDb;
using PushSystem.Redis;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Saver.Tests.Redis;

/// <summary>Servers that a collection of tests shares; each test empties them first.</summary>
public abstract class MailboxServers : IAsyncLifetime
{
    private const string Database = "push_test";

    private static readonly string[] Tables = ["mailbox_parts", "mailboxes", "mailbox_messages", "mailbox_parked", "mailbox_rejected"];

    public MariaDbServer Maria { get; private set; } = null!;

    public DbDataSource Source { get; private set; } = null!;

    public abstract string EndPoints { get; }

    protected abstract Task StartRedisAsync();

    protected abstract Task EmptyRedisAsync();

    protected abstract ValueTask StopRedisAsync();

    public async ValueTask InitializeAsync()
    {
        await StartRedisAsync();
        Maria = await MariaDbServer.StartAsync();
        await ExecuteAsync(MariaDbFactory.Instance.CreateDataSource(Maria.ConnectionString()), $"CREATE DATABASE {Database}");
        Source = MariaDbFactory.Instance.CreateDataSource(Maria.ConnectionString(Database) + ";Connection Timeout=2");
        var assembly = typeof(SaverOptions).Assembly;
        var name = assembly.GetManifestResourceNames().Single(name => name.EndsWith("0002_mailboxes.sql", StringComparison.Ordinal));
        await using var script = assembly.GetManifestResourceStream(name)!;
        var text = await new StreamReader(script).ReadToEndAsync();
        foreach (var statement in text.Split(";\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            await ExecuteAsync(Source, statement.TrimEnd(';'));
    }

    public async Task EmptyAsync()
    {
        await EmptyRedisAsync();
        await ExecuteAsync(Source, [.. Tables.Select(table => $"DELETE FROM {table}")]);
    }

    public Task ExecuteAsync(params string[] statements) => ExecuteAsync(Source, statements);

    public async Task<long> CountAsync(string sql)
    {
        await using var connection = await Source.OpenConnectionAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(await command.ExecuteScalarAsync());
    }

    public Task<RedisLink> LinkAsync(Action<RedisOptions>? configure = null)
    {
        var options = new RedisOptions { EndPoints = EndPoints };
        configure?.Invoke(options);
        return RedisLink.OpenAsync(options, "test", TimeProvider.System, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        if (Source is not null)
            await Source.DisposeAsync();
        if (Maria is not null)
            await Maria.DisposeAsync();
        await StopRedisAsync();
        GC.SuppressFinalize(this);
    }

    private static async Task ExecuteAsync(DbDataSource source, params string[] statements)
    {
        await using var connection = await source.OpenConnectionAsync();
        foreach (var statement in statements)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = statement;
            await command.ExecuteNonQueryAsync();
        }
    }
}

/// <summary>One redis and a MariaDB.</summary>
public sealed class RedisServers : MailboxServers
{
    public RedisServer Redis { get; private set; } = null!;

    public override string EndPoints => Redis.EndPoint;

    protected override async Task StartRedisAsync() => Redis = await RedisServer.StartAsync();

    protected override Task EmptyRedisAsync() => Redis.CliAsync("FLUSHALL");

    protected override ValueTask StopRedisAsync() => Redis?.DisposeAsync() ?? default;
}

/// <summary>A Redis Cluster of three masters and a MariaDB.</summary>
public sealed class RedisClusterServers : MailboxServers
{
    public RedisCluster Cluster { get; private set; } = null!;

    public override string EndPoints => Cluster.EndPoints;

    protected override async Task StartRedisAsync() => Cluster = await RedisCluster.StartAsync();

    protected override Task EmptyRedisAsync() => Task.WhenAll(Cluster.Masters.Select(master => master.CliAsync("FLUSHALL")));

    protected override ValueTask StopRedisAsync() => Cluster?.DisposeAsync() ?? default;
}

[CollectionDefinition("mailboxes over redis")]
public sealed class RedisMailboxesCollection : ICollectionFixture<RedisServers>;

[CollectionDefinition("mailboxes over a redis cluster")]
public sealed class RedisClusterMailboxesCollection : ICollectionFixture<RedisClusterServers>;

[CollectionDefinition("faults of redis and landing tier")]
public sealed class MailboxFaultsCollection : ICollectionFixture<RedisServers>;
