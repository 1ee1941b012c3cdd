using System.Data;
using System.Data.Common;
using PushSystem.Contracts;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver.Landing;

/// <summary>
/// The tables of the mailboxes in the landing tier (Saver/MySql/Schema/0002_mailboxes.sql). Holds no state besides the data source, which
/// pools connections; any thread. A database that is away throws <see cref="StoreUnavailableException"/>.
/// </summary>
internal sealed class LandingStore(DbDataSource source, ClusterSaverOptions options)
{
    private const string SelectParts = "SELECT part, epoch, fence, jseq FROM mailbox_parts WHERE part IN (";
    private const string PutPart =
        "INSERT INTO mailbox_parts (part, epoch, fence, jseq) VALUES (@part, @epoch, @fence, @jseq) " +
        "ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), fence = VALUES(fence), jseq = VALUES(jseq)";
    private const string SelectUsers = "SELECT app, user FROM mailboxes WHERE part = @part AND (app > @app OR (app = @app AND user > @user)) ORDER BY app, user LIMIT ";
    private const string SweepMessages = "DELETE FROM mailbox_messages WHERE expires_at <= @at ORDER BY expires_at LIMIT ";
    private const string SweepParked = "DELETE FROM mailbox_parked WHERE parked_at <= @at ORDER BY parked_at LIMIT ";
    private const string SweepRejected = "DELETE FROM mailbox_rejected WHERE rejected_at <= @at ORDER BY rejected_at LIMIT ";

    /// <summary>
    /// Begins the next epoch of a partition durably. Nobody with a lower fence lands anything afterwards. Returns the row as it is then;
    /// its fence may be higher than the caller's, then nothing was changed.
    /// </summary>
    public Task<PartRow> BeginEpochAsync(int part, uint epoch, long fence, long jseq, CancellationToken cancellationToken) =>
        RunAsync(async (connection, cancel) =>
        {
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancel);
            var rows = await PartsAsync(connection, transaction, [part], true, cancel);
            rows.TryGetValue(part, out var row);
            if (row.Fence > fence)
                return row;
            // The first epoch of a partition is 1; an empty landing tier under a redis that has data counts as loss, too.
            var next = new PartRow(Math.Max(epoch, row.Epoch) + 1, fence, Math.Max(jseq, row.Jseq) + 1);
            await PutAsync(connection, transaction, part, next, cancel);
            await transaction.CommitAsync(cancel);
            return next;
        }, cancellationToken);

    /// <summary>The rows of partitions; those without one are missing.</summary>
    public Task<Dictionary<int, PartRow>> PartsAsync(IReadOnlyList<int> parts, CancellationToken cancellationToken) =>
        RunAsync((connection, cancel) => PartsAsync(connection, null, parts, false, cancel), cancellationToken);

    /// <summary>What landed of some mailboxes.</summary>
    public Task<Dictionary<UserKey, LandedMailbox>> ReadAsync(int part, IReadOnlyList<UserKey> users, CancellationToken cancellationToken) =>
        RunAsync(async (connection, cancel) =>
        {
            var found = new Dictionary<UserKey, LandedMailbox>();
            await using (var command = Command(connection, null))
            {
                command.CommandText = $"SELECT app, user, state FROM mailboxes WHERE part = @part AND ({Where(command, part, users)})";
                await using var reader = await command.ExecuteReaderAsync(cancel);
                while (await reader.ReadAsync(cancel))
                    Of(found, reader).State = (byte[])reader.GetValue(2);
            }
            await using (var command = Command(connection, null))
            {
                command.CommandText =
                    $"SELECT app, user, seq, kind, accepted_at, expires_at, payload FROM mailbox_messages WHERE part = @part AND ({Where(command, part, users)})";
                await using var reader = await command.ExecuteReaderAsync(cancel);
                while (await reader.ReadAsync(cancel))
                {
                    var seq = reader.GetInt64(2);
                    Of(found, reader).Messages[seq] = PackedMessage.Write(
                        seq, (PushSystem.Protocol.PayloadKind)Convert.ToByte(reader.GetValue(3)), reader.GetInt64(4), reader.GetInt64(5),
                        (byte[])reader.GetValue(6));
                }
            }
            return found;
        }, cancellationToken);

    /// <summary>Users of a partition that have landed, behind one, in the order of the table.</summary>
    public Task<List<UserKey>> UsersAsync(int part, UserKey behind, int limit, CancellationToken cancellationToken) =>
        RunAsync(async (connection, cancel) =>
        {
            await using var command = Command(connection, null);
            command.CommandText = SelectUsers + limit;
            Add(command, "@part", part);
            Add(command, "@app", System.Text.Encoding.UTF8.GetBytes(behind.App));
            Add(command, "@user", System.Text.Encoding.UTF8.GetBytes(behind.User));
            var users = new List<UserKey>();
            await using var reader = await command.ExecuteReaderAsync(cancel);
            while (await reader.ReadAsync(cancel))
                users.Add(UserOf(reader));
            return users;
        }, cancellationToken);

    /// <summary>Removes what expired or is kept long enough; true when there may be more.</summary>
    public Task<bool> SweepAsync(long now, CancellationToken cancellationToken) =>
        RunAsync(async (connection, cancel) =>
        {
            var more = false;
            var kept = now - (long)options.ParkedRetention.TotalMilliseconds;
            foreach (var (sql, at) in new[] { (SweepMessages, now), (SweepParked, kept), (SweepRejected, kept) })
            {
                await using var command = Command(connection, null);
                command.CommandText = sql + options.SweepRows;
                Add(command, "@at", at);
                more |= await command.ExecuteNonQueryAsync(cancel) >= options.SweepRows;
            }
            return more;
        }, cancellationToken);

    /// <summary>True when the database answers.</summary>
    public async Task<bool> PingAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await RunAsync(async (connection, cancel) =>
            {
                await using var command = Command(connection, null);
                command.CommandText = "SELECT 1";
                return await command.ExecuteScalarAsync(cancel) is not null;
            }, cancellationToken);
        }
        catch (StoreUnavailableException)
        {
            return false;
        }
    }

    /// <summary>Runs with a connection; every failure of the database becomes <see cref="StoreUnavailableException"/>.</summary>
    public async Task<T> RunAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(cancellationToken);
            return await work(connection, cancellationToken);
        }
        catch (Exception exception) when (exception is DbException or TimeoutException or IOException or System.Net.Sockets.SocketException)
        {
            throw new StoreUnavailableException($"The landing tier failed: {exception.Message}", exception);
        }
    }

    public DbCommand Command(DbConnection connection, DbTransaction? transaction)
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandTimeout = Math.Max(1, (int)options.LandingTimeout.TotalSeconds);
        return command;
    }

    public static void Add(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }

    public async Task PutAsync(DbConnection connection, DbTransaction transaction, int part, PartRow row, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, transaction);
        command.CommandText = PutPart;
        Add(command, "@part", part);
        Add(command, "@epoch", (long)row.Epoch);
        Add(command, "@fence", row.Fence);
        Add(command, "@jseq", row.Jseq);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<Dictionary<int, PartRow>> PartsAsync(
        DbConnection connection, DbTransaction? transaction, IReadOnlyList<int> parts, bool locking, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, transaction);
        command.CommandText = SelectParts + string.Join(", ", parts.Select((_, i) => $"@p{i}")) + ") ORDER BY part" + (locking ? " FOR UPDATE" : "");
        for (var i = 0; i < parts.Count; i++)
            Add(command, $"@p{i}", parts[i]);
        var rows = new Dictionary<int, PartRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            rows[reader.GetInt32(0)] = new PartRow(Convert.ToUInt32(reader.GetValue(1)), reader.GetInt64(2), reader.GetInt64(3));
        return rows;
    }

    private static string Where(DbCommand command, int part, IReadOnlyList<UserKey> users)
    {
        Add(command, "@part", part);
        for (var i = 0; i < users.Count; i++)
        {
            Add(command, $"@a{i}", System.Text.Encoding.UTF8.GetBytes(users[i].App));
            Add(command, $"@u{i}", System.Text.Encoding.UTF8.GetBytes(users[i].User));
        }
        return string.Join(" OR ", users.Select((_, i) => $"(app = @a{i} AND user = @u{i})"));
    }

    private static LandedMailbox Of(Dictionary<UserKey, LandedMailbox> found, DbDataReader reader)
    {
        var key = UserOf(reader);
        if (!found.TryGetValue(key, out var mailbox))
            found[key] = mailbox = new LandedMailbox();
        return mailbox;
    }

    private static UserKey UserOf(DbDataReader reader) => new(
        System.Text.Encoding.UTF8.GetString((byte[])reader.GetValue(0)), System.Text.Encoding.UTF8.GetString((byte[])reader.GetValue(1)));
}
