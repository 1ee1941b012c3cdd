using System.Data;
using System.Diagnostics;
using PushSystem.MariaDb.Native;
using PushSystem.TestSupport;

namespace PushSystem.MariaDb.Tests;

[Collection("database")]
public sealed class PoolTests(Database database)
{
    [Fact]
    public async Task A_closed_connection_is_used_again()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString);
        var first = await IdAsync(source);

        Assert.Equal(first, await IdAsync(source));
    }

    [Fact]
    public async Task A_session_that_was_changed_is_reset_and_one_that_was_not_is_left_alone()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString + ";Allow User Variables=true");
        await using (var connection = await source.OpenConnectionAsync())
            await connection.RunAsync("SET sql_mode = 'ANSI_QUOTES', @left = 1; CREATE TEMPORARY TABLE left_over (a INT)");
        await using (var connection = await source.OpenConnectionAsync())
        {
            Assert.DoesNotContain("ANSI_QUOTES", (string?)await connection.ScalarAsync("SELECT @@sql_mode"));
            Assert.Equal(DBNull.Value, await connection.ScalarAsync("SELECT @left"));
            await Assert.ThrowsAsync<MariaDbException>(() => connection.RunAsync("SELECT * FROM left_over"));
            Assert.Equal("utf8mb4", await connection.ScalarAsync("SELECT @@character_set_connection"));
            Assert.Equal("😀", await connection.ScalarAsync("SELECT @t", ("t", "😀")));
        }
    }

    [Fact]
    public async Task A_lock_of_a_closed_connection_is_free_for_the_next_one()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString);
        await using (var connection = await source.OpenConnectionAsync())
            Assert.Equal(1, Convert.ToInt32(await connection.ScalarAsync("SELECT GET_LOCK('pool', 0)")));
        await using var again = await source.OpenConnectionAsync();

        Assert.Equal(1, Convert.ToInt32(await again.ScalarAsync("SELECT IS_FREE_LOCK('pool')")));
    }

    [Fact]
    public async Task Who_asks_for_more_than_the_pool_has_waits_and_then_is_told()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString + ";Maximum Pool Size=2;Connection Timeout=1");
        var one = await source.OpenConnectionAsync();
        await using var two = await source.OpenConnectionAsync();
        var refused = await Assert.ThrowsAsync<MariaDbException>(async () => await source.OpenConnectionAsync());
        Assert.Equal((MariaDbException.ConnectTimedOut, true), (refused.Number, refused.IsTransient));
        Assert.Contains("Maximum Pool Size", refused.Message);
        var waiting = source.OpenConnectionAsync().AsTask();
        await one.DisposeAsync();

        await using var three = await Waiting.For(waiting, "the connection came back");
        Assert.Equal(ConnectionState.Open, three.State);
    }

    [Fact]
    public async Task A_connection_that_the_server_closed_is_not_given_out()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString);
        var id = await IdAsync(source);
        await using (var killer = new MariaDbConnection(database.ConnectionString + ";Pooling=false"))
        {
            await killer.OpenAsync();
            await killer.RunAsync($"KILL {id}");
            await Waiting.Until(() => !IsListed(killer, id), "the server closed the connection");
        }

        Assert.NotEqual(id, await IdAsync(source));
    }

    [Fact]
    public async Task Wrong_credentials_are_told_at_once_and_leave_the_pool_whole()
    {
        var wrong = new MariaDbConnectionStringBuilder(database.ConnectionString) { Password = "wrong", MaximumPoolSize = 1 };
        await using var source = new MariaDbDataSource(wrong.ConnectionString);
        for (var i = 0; i < 3; i++)
        {
            var error = await Assert.ThrowsAsync<MariaDbException>(async () => await source.OpenConnectionAsync());
            Assert.Equal((1045, false), (error.Number, error.IsTransient));
            Assert.DoesNotContain("wrong", error.Message);
        }
    }

    [Fact]
    public async Task Waiting_for_the_server_takes_no_thread_of_the_pool()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString);
        ThreadPool.GetMinThreads(out var least, out _);
        var sleeping = Enumerable.Range(0, 8 * least).Select(async _ =>
        {
            await using var connection = await source.OpenConnectionAsync();
            await connection.ScalarAsync("SELECT SLEEP(2)");
        }).ToArray();
        var turns = 0;
        var waited = Stopwatch.StartNew();
        while (sleeping.Any(task => !task.IsCompleted))
        {
            await Task.Run(() => turns++);
            await Task.Delay(5);
        }
        await Task.WhenAll(sleeping);

        // A pool that waits for its threads gives about two turns a second.
        Assert.True(turns > 50, $"{turns} turns in {waited.Elapsed}");
    }

    [Fact]
    public async Task Closing_a_connection_ends_the_command_that_runs_and_the_pool_goes_on()
    {
        await using var source = new MariaDbDataSource(database.ConnectionString + ";Maximum Pool Size=1");
        var connection = await source.OpenConnectionAsync();
        var sleeping = connection.ScalarAsync("SELECT SLEEP(60)");
        await connection.DisposeAsync();
        await Assert.ThrowsAsync<MariaDbException>(() => Waiting.For(sleeping, "the command ended"));

        Assert.NotEqual(0, await IdAsync(source));
    }

    [Theory]
    [InlineData("Servr=x", "servr")]
    [InlineData("Port=70000", "Port")]
    [InlineData("SslMode=sometimes", "SslMode")]
    [InlineData("Pooling=perhaps", "Pooling")]
    public void A_bad_connection_string_is_refused_with_the_keys_name(string text, string word) =>
        Assert.Contains(word, Assert.ThrowsAny<ArgumentException>(() => new MariaDbDataSource(text)).Message, StringComparison.OrdinalIgnoreCase);

    [Fact]
    public async Task The_factory_makes_everything_by_its_type_name()
    {
        var factory = (System.Data.Common.DbProviderFactory)Type.GetType("PushSystem.MariaDb.MariaDbFactory, PushSystem.MariaDb")!
            .GetField("Instance")!.GetValue(null)!;
        await using var source = factory.CreateDataSource(database.ConnectionString);
        await using var command = source.CreateCommand("SELECT @a");
        var parameter = factory.CreateParameter()!;
        (parameter.ParameterName, parameter.Value) = ("@a", "b");
        command.Parameters.Add(parameter);

        Assert.Equal("b", await command.ExecuteScalarAsync());
        Assert.IsType<MariaDbConnectionStringBuilder>(factory.CreateConnectionStringBuilder());
        Assert.NotNull(factory.CreateConnection());
        Assert.NotNull(factory.CreateCommand());
    }

    [Fact]
    public void A_missing_library_is_told_with_the_packages_name() =>
        Assert.Contains("libmariadb3", Assert.Throws<DllNotFoundException>(() => LibMariaDb.Find(["libmariadb-of-no-system.so.3"])).Message);

    private static async Task<long> IdAsync(MariaDbDataSource source)
    {
        await using var connection = await source.OpenConnectionAsync();
        return Convert.ToInt64(await connection.ScalarAsync("SELECT CONNECTION_ID()"));
    }

    private static bool IsListed(MariaDbConnection connection, long id)
    {
        using var command = connection.Command("SELECT COUNT(*) FROM information_schema.processlist WHERE id = @id", ("id", id));
        return Convert.ToInt64(command.ExecuteScalar()) > 0;
    }
}
