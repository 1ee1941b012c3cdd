using System.Data.Common;
using PushSystem.TestSupport.Servers;

namespace PushSystem.MariaDb.Tests;

/// <summary>One real server for all tests that leave it running.</summary>
public sealed class Database : IAsyncLifetime
{
    private MariaDbServer? _server;

    public MariaDbServer Server => _server!;

    public string ConnectionString => Server.ConnectionString("test");

    public async ValueTask InitializeAsync()
    {
        _server = await MariaDbServer.StartAsync();
        await using var source = new MariaDbDataSource(Server.ConnectionString());
        await using var connection = await source.OpenConnectionAsync();
        await connection.RunAsync("CREATE DATABASE test");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }
}

[CollectionDefinition("database")]
public sealed class DatabaseCollection : ICollectionFixture<Database>;

internal static class Commands
{
    public static DbCommand Command(this DbConnection connection, string text, params (string Name, object? Value)[] values)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        foreach (var (name, value) in values)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }
        return command;
    }

    public static async Task<int> RunAsync(this DbConnection connection, string text, params (string Name, object? Value)[] values)
    {
        await using var command = connection.Command(text, values);
        return await command.ExecuteNonQueryAsync();
    }

    public static async Task<object?> ScalarAsync(this DbConnection connection, string text, params (string Name, object? Value)[] values)
    {
        await using var command = connection.Command(text, values);
        return await command.ExecuteScalarAsync();
    }
}
