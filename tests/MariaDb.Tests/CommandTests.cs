using System.Data;
using System.Data.Common;
using System.Text;

namespace PushSystem.MariaDb.Tests;

[Collection("database")]
public sealed class CommandTests(Database database) : IAsyncLifetime
{
    private readonly MariaDbDataSource _source = new(database.ConnectionString);
    private DbConnection _connection = null!;

    public async ValueTask InitializeAsync() => _connection = await _source.OpenConnectionAsync();

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _source.DisposeAsync();
    }

    [Fact]
    public async Task Several_statements_give_several_results()
    {
        await using var command = _connection.Command(
            "CREATE TEMPORARY TABLE t (a INT); INSERT INTO t VALUES (1), (2); SELECT a FROM t ORDER BY a; UPDATE t SET a = 5; SELECT 'x', 'y' WHERE 1 = 0; SELECT @z",
            ("z", "last"));
        await using var reader = await command.ExecuteReaderAsync();

        Assert.True(reader.Read() && reader.Read());
        Assert.Equal(2, reader.GetInt32(0));
        Assert.False(reader.Read());
        Assert.True(reader.NextResult());
        Assert.Equal((2, false, "y"), (reader.FieldCount, reader.HasRows, reader.GetName(1)));
        Assert.True(reader.NextResult());
        Assert.True(reader.Read());
        Assert.Equal("last", reader.GetString(0));
        Assert.False(reader.NextResult());
        Assert.Equal(4, reader.RecordsAffected);
    }

    [Fact]
    public async Task A_failing_statement_tells_its_number_and_leaves_the_connection_usable()
    {
        await _connection.RunAsync("CREATE TEMPORARY TABLE u (a INT PRIMARY KEY)");
        await _connection.RunAsync("INSERT INTO u VALUES (1)");
        var duplicate = await Assert.ThrowsAsync<MariaDbException>(() => _connection.RunAsync("SELECT 1; INSERT INTO u VALUES (1); INSERT INTO u VALUES (2)"));
        var syntax = await Assert.ThrowsAsync<MariaDbException>(() => _connection.RunAsync("SELEKT"));

        Assert.Equal((MariaDbException.DuplicateKey, "23000", false), (duplicate.Number, duplicate.SqlState, duplicate.IsTransient));
        Assert.Equal((1064, "42000"), (syntax.Number, syntax.SqlState));
        Assert.Equal(1L, await _connection.ScalarAsync("SELECT COUNT(*) FROM u"));
    }

    [Fact]
    public async Task Found_rows_are_counted_unless_changed_ones_are_wanted()
    {
        await using var other = new MariaDbConnection(database.ConnectionString + ";Use Affected Rows=true");
        await other.OpenAsync();
        foreach (var connection in (DbConnection[])[_connection, other])
        {
            await connection.RunAsync("CREATE TEMPORARY TABLE found (a INT)");
            await connection.RunAsync("INSERT INTO found VALUES (1), (1), (2)");
        }

        Assert.Equal(2, await _connection.RunAsync("UPDATE found SET a = 1 WHERE a = 1"));
        Assert.Equal(0, await other.RunAsync("UPDATE found SET a = 1 WHERE a = 1"));
        Assert.Equal(-1, await _connection.RunAsync("SELECT 1"));
    }

    [Fact]
    public async Task Thousands_of_parameters_and_megabytes_in_one_statement()
    {
        await _connection.RunAsync("CREATE TEMPORARY TABLE big (id INT PRIMARY KEY, name VARCHAR(40), body MEDIUMBLOB)");
        var random = new Random(3);
        var bodies = new byte[4_000][];
        var text = new StringBuilder("INSERT INTO big VALUES ");
        var values = new List<(string, object?)>();
        for (var i = 0; i < bodies.Length; i++)
        {
            random.NextBytes(bodies[i] = new byte[1_500]);
            text.Append(i == 0 ? "" : ",").Append($"(@i{i}, @n{i}, @b{i})");
            values.AddRange([($"i{i}", i), ($"n{i}", $"näme {i}"), ($"b{i}", bodies[i])]);
        }
        Assert.Equal(bodies.Length, await _connection.RunAsync(text.ToString(), [.. values]));

        await using var command = _connection.Command("SELECT id, name, body FROM big ORDER BY id");
        await using var reader = await command.ExecuteReaderAsync();
        for (var i = 0; i < bodies.Length; i++)
        {
            Assert.True(reader.Read());
            Assert.Equal((i, $"näme {i}"), (reader.GetInt32(0), reader.GetString(1)));
            Assert.True(bodies[i].AsSpan().SequenceEqual((byte[])reader[2]));
        }
        Assert.False(reader.Read());
    }

    [Fact]
    public async Task A_statement_over_max_allowed_packet_is_refused_unsent()
    {
        var error = await Assert.ThrowsAsync<MariaDbException>(() => _connection.RunAsync("DO LENGTH(@b)", ("b", new byte[33 * 1024 * 1024])));

        Assert.Equal(MariaDbException.PacketTooLarge, error.Number);
        Assert.Contains("max_allowed_packet", error.Message);
        Assert.Equal(1, Convert.ToInt32(await _connection.ScalarAsync("SELECT 1")));
    }

    [Theory]
    [InlineData("SELECT @nobody", "@nobody")]
    [InlineData("SELECT @a, 'x\\'y'", "backslash")]
    public async Task What_cannot_be_written_safely_is_refused(string text, string word)
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => _connection.ScalarAsync(text, ("a", 1)));

        Assert.Contains(word, error.Message);
    }

    [Fact]
    public async Task Server_variables_accounts_and_quoted_names_are_no_parameters()
    {
        Assert.NotNull(await _connection.ScalarAsync("SELECT @@version"));
        Assert.Equal(7L, Convert.ToInt64(await _connection.ScalarAsync("SELECT `@a` FROM (SELECT 7 AS `@a`) AS t # @b", ("c", 0))));
        await _connection.RunAsync("SHOW GRANTS FOR 'push'@'%'");
    }

    [Fact]
    public async Task A_transaction_is_committed_or_rolled_back()
    {
        await _connection.RunAsync("CREATE TABLE IF NOT EXISTS tx (a INT) ENGINE = InnoDB; DELETE FROM tx");
        await using (var transaction = await _connection.BeginTransactionAsync(IsolationLevel.ReadCommitted))
        {
            await InsertAsync(transaction, 1);
            await transaction.CommitAsync();
            await Assert.ThrowsAsync<InvalidOperationException>(() => transaction.CommitAsync());
        }
        await using (var transaction = await _connection.BeginTransactionAsync())
            await InsertAsync(transaction, 2);
        await using (var transaction = _connection.BeginTransaction())
        {
            await InsertAsync(transaction, 3);
            Assert.Throws<InvalidOperationException>(() => _connection.BeginTransaction());
            await Assert.ThrowsAsync<InvalidOperationException>(() => _connection.RunAsync("INSERT INTO tx VALUES (4)"));
            transaction.Rollback();
        }

        Assert.Equal(1L, await _connection.ScalarAsync("SELECT SUM(a) FROM tx") is decimal sum ? (long)sum : -1);
    }

    [Fact]
    public async Task Closing_a_connection_rolls_its_transaction_back()
    {
        await _connection.RunAsync("CREATE TABLE IF NOT EXISTS lost (a INT) ENGINE = InnoDB; DELETE FROM lost");
        var other = await _source.OpenConnectionAsync();
        await other.RunAsync("START TRANSACTION");
        await other.RunAsync("INSERT INTO lost VALUES (1)");
        await other.DisposeAsync();

        // Nothing is locked any more.
        await _connection.RunAsync("SET SESSION innodb_lock_wait_timeout = 1");
        await _connection.RunAsync("TRUNCATE TABLE lost");
        Assert.Equal(0L, await _connection.ScalarAsync("SELECT COUNT(*) FROM lost"));
    }

    [Fact]
    public void Everything_works_without_await_too()
    {
        using var connection = new MariaDbConnection(database.ConnectionString);
        connection.Open();
        using (var transaction = connection.BeginTransaction())
        {
            using var insert = connection.Command("CREATE TEMPORARY TABLE s (a INT); INSERT INTO s VALUES (@a)", ("a", 5));
            insert.Transaction = transaction;
            Assert.Equal(1, insert.ExecuteNonQuery());
            transaction.Commit();
        }
        using var command = connection.Command("SELECT a FROM s");
        Assert.Equal(5, command.ExecuteScalar());
        using (var reader = command.ExecuteReader(CommandBehavior.CloseConnection))
        {
            Assert.True(reader.Read());
            Assert.Equal(5, reader["A"]);
        }
        Assert.Equal(ConnectionState.Closed, connection.State);
    }

    [Fact]
    public async Task A_connection_is_used_by_one_command_at_a_time()
    {
        var sleeping = _connection.ScalarAsync("SELECT SLEEP(0.2)");
        await Assert.ThrowsAsync<InvalidOperationException>(() => _connection.ScalarAsync("SELECT 1"));

        Assert.Equal(0, Convert.ToInt32(await sleeping));
    }

    private async Task InsertAsync(DbTransaction transaction, int value)
    {
        await using var command = _connection.Command("INSERT INTO tx VALUES (@a)", ("a", value));
        command.Transaction = transaction;
        await command.ExecuteNonQueryAsync();
    }
}
