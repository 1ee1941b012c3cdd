using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.MariaDb;
using PushSystem.Saver.MySql;

namespace PushSystem.Saver.Tests.MySql;

[Collection("mysql")]
public sealed class SchemaTests(MySqlServers servers) : IAsyncLifetime
{
    private static readonly SqlScript One = SqlScript.Parse(
        "0001_one.sql", "-- A comment; with a semicolon\nCREATE TABLE a (\n  x INT\n);\nCREATE TABLE b (y VARCHAR(9) DEFAULT 'a;b');\nINSERT INTO a VALUES (1);\n");
    private static readonly SqlScript Two = SqlScript.Parse("0002_two.sql", "ALTER TABLE a ADD COLUMN z INT;\nINSERT INTO a VALUES (2, 2);\n");

    private string _connectionString = "";
    private MariaDbDataSource _source = null!;

    public async ValueTask InitializeAsync()
    {
        _connectionString = await MySqlServers.CreateAsync(servers.Database);
        _source = new MariaDbDataSource(_connectionString);
    }

    public async ValueTask DisposeAsync() => await _source.DisposeAsync();

    [Fact]
    public async Task Scripts_are_applied_once_and_in_order()
    {
        Assert.Equal(1, await ApplyAsync(One));
        Assert.Equal(2, await ApplyAsync(One, Two));
        Assert.Equal(2, await ApplyAsync(One, Two));

        Assert.Equal((2L, 2L), (await CountAsync("a"), await CountAsync("schema_versions")));
        Assert.Equal("a;b", await ScalarAsync("SELECT COLUMN_DEFAULT FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'b'")
            is string text ? text.Trim('\'') : null);
    }

    [Fact]
    public async Task Savers_that_start_at_once_apply_each_script_once()
    {
        var versions = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => ApplyAsync(One, Two))));

        Assert.All(versions, version => Assert.Equal(2, version));
        Assert.Equal(2, await CountAsync("a"));
    }

    [Theory]
    [InlineData(1, "DROP TABLE b; DELETE FROM a")]
    [InlineData(1, "DELETE FROM a")]
    [InlineData(2, "DELETE FROM a")]
    public async Task A_script_that_was_left_half_applied_goes_on_where_it_stopped(int applied, string undo)
    {
        await ApplyAsync(One);
        await ScalarAsync($"{undo}; UPDATE schema_versions SET applied = {applied}");

        Assert.Equal(2, await ApplyAsync(One, Two));
        Assert.Equal((2L, 0L, 3L), (await CountAsync("a"), await CountAsync("b"), Convert.ToInt64(await ScalarAsync("SELECT applied FROM schema_versions WHERE version = 1"))));
    }

    [Fact]
    public async Task A_failing_statement_stops_it_and_is_repeated_at_the_next_start()
    {
        var bad = SqlScript.Parse("0002_two.sql", "ALTER TABLE a ADD COLUMN z INT;\nINSERT INTO nowhere VALUES (1);\n");
        await Assert.ThrowsAsync<MariaDbException>(() => ApplyAsync(One, bad));
        Assert.Equal(1, Convert.ToInt64(await ScalarAsync("SELECT applied FROM schema_versions WHERE version = 2")));
        await ScalarAsync("CREATE TABLE nowhere (a INT)");

        Assert.Equal(2, await ApplyAsync(One, bad));
    }

    [Fact]
    public async Task A_newer_database_and_a_changed_script_are_refused()
    {
        await ApplyAsync(One, Two);
        var newer = await Assert.ThrowsAsync<InvalidDataException>(() => ApplyAsync(One));
        var changed = await Assert.ThrowsAsync<InvalidDataException>(() => ApplyAsync(One with { Hash = new string('0', 64) }, Two));

        Assert.Contains("schema 2, this program knows up to 1", newer.Message);
        Assert.Contains("0001_one", changed.Message);
    }

    [Fact]
    public async Task A_server_that_cuts_values_off_silently_is_refused()
    {
        await using var source = new MariaDbDataSource(_connectionString + ";Maximum Pool Size=1;Connection Reset=false");
        await using (var connection = await source.OpenConnectionAsync())
        {
            await using var command = connection.CreateCommand();
            command.CommandText = "SET SESSION sql_mode = ''";
            await command.ExecuteNonQueryAsync();
        }
        var runner = new SchemaRunner(source, new MySqlOptions(), TimeProvider.System, NullLogger.Instance);

        Assert.Contains("sql_mode", (await Assert.ThrowsAsync<InvalidDataException>(() => runner.ApplyAsync([One], CancellationToken.None))).Message);
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_told_as_away()
    {
        await using var source = new MariaDbDataSource(servers.Database.ConnectionString("no_such_database"));
        var runner = new SchemaRunner(source, new MySqlOptions(), TimeProvider.System, NullLogger.Instance);

        Assert.Contains("no_such_database", (await Assert.ThrowsAsync<StoreUnavailableException>(() => runner.ApplyAsync([One], CancellationToken.None))).Message);
    }

    [Fact]
    public void The_scripts_of_this_program_are_numbered_without_a_hole_and_may_be_repeated()
    {
        var scripts = SqlScript.Embedded();

        Assert.Equal(Enumerable.Range(1, scripts.Count), scripts.Select(script => script.Version));
        Assert.All(scripts.SelectMany(script => script.Statements), statement => Assert.False(statement.EndsWith(';')));
    }

    [Fact]
    public void A_script_that_ends_within_a_statement_is_refused() =>
        Assert.Throws<InvalidDataException>(() => SqlScript.Parse("0001_x.sql", "CREATE TABLE a (x INT)"));

    private async Task<int> ApplyAsync(params SqlScript[] scripts) =>
        await new SchemaRunner(_source, new MySqlOptions(), TimeProvider.System, NullLogger.Instance).ApplyAsync(scripts, CancellationToken.None);

    private async Task<long> CountAsync(string table) => Convert.ToInt64(await ScalarAsync($"SELECT COUNT(*) FROM {table}"));

    private Task<object?> ScalarAsync(string text) => MySqlServers.RunAsync(_connectionString, text);
}
