using PushSystem.MariaDb;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Saver.Tests.MySql;

/// <summary>A database server and a redis for all tests that leave them running.</summary>
public sealed class MySqlServers : IAsyncLifetime
{
    private MariaDbServer? _database;
    private RedisServer? _redis;

    public MariaDbServer Database => _database!;

    public RedisServer Redis => _redis!;

    public async ValueTask InitializeAsync()
    {
        _database = await MariaDbServer.StartAsync();
        _redis = await RedisServer.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_redis is not null)
            await _redis.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    /// <summary>The connection string of a new, empty database.</summary>
    public static async Task<string> CreateAsync(MariaDbServer server)
    {
        var name = $"push_{Guid.NewGuid():N}";
        await RunAsync(server.ConnectionString(), $"CREATE DATABASE {name}");
        return server.ConnectionString(name);
    }

    public static async Task<object?> RunAsync(string connectionString, string text)
    {
        await using var connection = new MariaDbConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new MariaDbCommand(text, connection);
        return await command.ExecuteScalarAsync();
    }
}

[CollectionDefinition("mysql")]
public sealed class MySqlCollection : ICollectionFixture<MySqlServers>;
