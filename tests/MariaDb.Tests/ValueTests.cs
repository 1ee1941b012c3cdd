using System.Data.Common;
using System.Text;

namespace PushSystem.MariaDb.Tests;

[Collection("database")]
public sealed class ValueTests(Database database) : IAsyncLifetime
{
    // Every kind of byte and character that has a meaning somewhere in a statement.
    private static readonly string[] Pieces =
    [
        "'", "''", "\\", "\\'", "\"", "`", "\0", "\n", "\r", "\x1a", "%", "_", ";", "--", "-- ", "#", "/*", "*/", "@", "@x", "?", "{0}", "X'", "a", "Ä",
        "日本", "😀", "¿'", "縗\\", " ", "\u2028", "\uFFFD", "DROP TABLE", "_utf8mb4",
    ];

    private readonly MariaDbDataSource _source = new(database.ConnectionString);
    private DbConnection _connection = null!;

    public async ValueTask InitializeAsync() => _connection = await _source.OpenConnectionAsync();

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _source.DisposeAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("NO_BACKSLASH_ESCAPES")]
    [InlineData("ANSI_QUOTES,NO_BACKSLASH_ESCAPES")]
    [InlineData("ANSI_QUOTES")]
    public async Task Any_text_and_any_bytes_come_back_as_they_were(string mode)
    {
        await _connection.RunAsync("SET sql_mode = @mode", ("mode", mode));
        var random = new Random(4_711);
        for (var round = 0; round < 300; round++)
        {
            var text = Text(random);
            var bytes = new byte[random.Next(64)];
            random.NextBytes(bytes);
            await using var command = _connection.Command("SELECT @t, @b, 'it''s @t' /* @t */, @t -- @t", ("@t", text), ("b", bytes));
            await using var reader = await command.ExecuteReaderAsync();
            Assert.True(await reader.ReadAsync());
            Assert.Equal(text, reader.GetString(0));
            Assert.Equal(bytes, (byte[])reader[1]);
            Assert.Equal("it's @t", reader.GetString(2));
            Assert.Equal(text, reader.GetString(3));
            Assert.False(await reader.ReadAsync());
            Assert.False(await reader.NextResultAsync());
        }
    }

    [Fact]
    public async Task Every_single_character_comes_back()
    {
        for (var start = 0; start < 0x11_0000; start += 0x1000)
        {
            var text = new StringBuilder();
            for (var i = start; i < start + 0x1000; i++)
            {
                if (Rune.IsValid(i))
                    text.Append(new Rune(i));
            }
            Assert.Equal(text.ToString(), (string?)await _connection.ScalarAsync("SELECT @t", ("t", text.ToString())) ?? "");
        }
    }

    [Fact]
    public async Task Half_a_surrogate_pair_is_refused_with_the_parameters_name()
    {
        var error = await Assert.ThrowsAsync<ArgumentException>(() => _connection.ScalarAsync("SELECT @text", ("text", "a\ud800")));

        Assert.Contains("@text", error.Message);
    }

    [Fact]
    public async Task All_types_are_stored_and_read_in_their_own_type()
    {
        await _connection.RunAsync(
            """
            CREATE TEMPORARY TABLE kinds (
              a TINYINT(1), b TINYINT, c TINYINT UNSIGNED, d SMALLINT, e SMALLINT UNSIGNED, f INT, g INT UNSIGNED, h BIGINT, i BIGINT UNSIGNED,
              j FLOAT, k DOUBLE, l DECIMAL(28, 6), m DATETIME(6), n DATE, o TIME(6), p VARCHAR(10), q TEXT, r VARBINARY(10), s MEDIUMBLOB,
              t BIT(40), u MEDIUMINT, v YEAR, w CHAR(36), x ENUM('one', 'two'))
            """);
        var time = new DateTime(2026, 11, 21, 23, 59, 58).AddTicks(9_876_540);
        var span = new TimeSpan(-26, 3, 4).Add(TimeSpan.FromTicks(-1_234_560));
        var id = Guid.NewGuid();
        object[] values =
        [
            true, sbyte.MinValue, byte.MaxValue, short.MinValue, ushort.MaxValue, int.MinValue, uint.MaxValue, long.MinValue, ulong.MaxValue,
            1.5f, -1.0 / 3, -1234567890123456789012.345678m, time, time.Date, span, "ä'\\", "text", (byte[])[0, 255], new ReadOnlyMemory<byte>([1, 0]),
            (1UL << 40) - 2, -8_388_608, 2026, id, "two",
        ];
        var names = Enumerable.Range(0, values.Length).Select(i => $"@v{i}").ToArray();
        await _connection.RunAsync($"INSERT INTO kinds VALUES ({string.Join(", ", names)})", [.. names.Zip(values, (name, value) => (name, (object?)value))]);
        await using var command = _connection.Command("SELECT * FROM kinds");
        await using var reader = await command.ExecuteReaderAsync();
        Assert.True(reader.Read());
        values[18] = (byte[])[1, 0];
        values[22] = id.ToString();
        for (var i = 0; i < values.Length; i++)
        {
            Assert.Equal(values[i], reader.GetValue(i));
            Assert.Equal(values[i].GetType(), reader.GetFieldType(i));
        }
        Assert.Equal(id, reader.GetGuid(22));
        Assert.Equal(ulong.MaxValue, reader.GetFieldValue<ulong>(8));
        Assert.Equal(span, reader.GetFieldValue<TimeSpan>(14));
        Assert.Throws<OverflowException>(() => reader.GetInt64(8));
        Assert.Throws<OverflowException>(() => reader.GetInt16(6));
        Assert.Throws<InvalidCastException>(() => reader.GetInt32(15));
        Assert.Equal((2L, 2L), (reader.GetBytes(17, 0, null, 0, 0), reader.GetBytes(17, 0, new byte[5], 1, 4)));
    }

    [Fact]
    public async Task Null_is_null_in_every_column()
    {
        await using var command = _connection.Command("SELECT @a, CAST(NULL AS SIGNED), @b", ("a", null), ("b", DBNull.Value));
        await using var reader = await command.ExecuteReaderAsync();
        Assert.True(reader.Read());

        for (var i = 0; i < 3; i++)
            Assert.Equal((true, DBNull.Value), (reader.IsDBNull(i), reader.GetValue(i)));
        Assert.Contains("NULL", Assert.Throws<InvalidCastException>(() => reader.GetInt64(1)).Message);
    }

    [Theory]
    [InlineData(double.MaxValue)]
    [InlineData(double.Epsilon)]
    [InlineData(0.1)]
    [InlineData(-1e-300)]
    public async Task Numbers_keep_all_their_digits(double number)
    {
        await _connection.RunAsync("CREATE TEMPORARY TABLE IF NOT EXISTS numbers (d DOUBLE)");
        await _connection.RunAsync("INSERT INTO numbers VALUES (@d)", ("d", number));

        Assert.Equal(number, await _connection.ScalarAsync("SELECT d FROM numbers"));
        await _connection.RunAsync("DROP TEMPORARY TABLE numbers");
    }

    [Fact]
    public async Task A_negative_number_behind_a_minus_is_no_comment() =>
        Assert.Equal(3L, Convert.ToInt64(await _connection.ScalarAsync("SELECT 1-@x", ("x", -2))));

    [Fact]
    public async Task What_is_no_number_or_no_known_type_is_refused()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => _connection.ScalarAsync("SELECT @x", ("x", double.NaN)));
        var error = await Assert.ThrowsAsync<ArgumentException>(() => _connection.ScalarAsync("SELECT @x", ("x", new Uri("http://a"))));
        Assert.Contains("@x", error.Message);
    }

    private static string Text(Random random)
    {
        var text = new StringBuilder();
        for (var i = random.Next(12); i >= 0; i--)
            text.Append(Pieces[random.Next(Pieces.Length)]);
        return text.ToString();
    }
}
