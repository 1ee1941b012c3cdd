using System.Data.Common;
using System.Globalization;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Saver.MySql;

/// <summary>
/// Brings the database to the newest schema: scripts in order, one statement after the other, each recorded, under a lock of the
/// database so that savers that start at once do it one after the other. Used once, at the start.
/// </summary>
internal sealed class SchemaRunner(DbDataSource source, MySqlOptions options, TimeProvider clock, ILogger logger)
{
    private const string CreateVersions =
        "CREATE TABLE IF NOT EXISTS schema_versions (version INT NOT NULL, name VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL, hash CHAR(64) CHARACTER SET ascii NOT NULL, "
        + "statements INT NOT NULL, applied INT NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (version)) ENGINE = InnoDB";
    private const string SelectVersions = "SELECT version, hash, statements, applied FROM schema_versions ORDER BY version";
    private const string InsertVersion = "INSERT INTO schema_versions VALUES (@version, @name, @hash, @statements, 0, @now)";
    private const string UpdateVersion = "UPDATE schema_versions SET applied = @applied, applied_at = @now WHERE version = @version";
    private const string LockName = "CONCAT('push-schema-', LEFT(MD5(DATABASE()), 16))";

    // "It exists already", of a table or a column: the statement was carried out, only its record is missing.
    private static readonly string[] Exists = ["42S01", "42S21"];

    /// <summary>
    /// The version that the database has then. Throws <see cref="InvalidDataException"/> when the database is newer than this program or a
    /// script was changed after it was applied, <see cref="StoreUnavailableException"/> when there is no database.
    /// </summary>
    public async Task<int> ApplyAsync(IReadOnlyList<SqlScript> scripts, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await OpenAsync(cancellationToken);
            var session = new SqlSession(connection, null, options.StatementBytes, (int)options.SchemaDeadline.TotalSeconds, cancellationToken);
            await CheckServerAsync(session);
            var wait = (long)options.SchemaDeadline.TotalSeconds;
            if (await session.NumberAsync($"SELECT GET_LOCK({LockName}, @wait)", ("wait", wait)) != 1)
                throw new StoreUnavailableException($"Another process has been changing the schema for {wait} s (Saver:MySql:SchemaDeadline).");
            try
            {
                return await ApplyLockedAsync(session, scripts);
            }
            finally
            {
                await session.NumberAsync($"SELECT RELEASE_LOCK({LockName})");
            }
        }
        catch (Exception exception) when (exception is not StoreUnavailableException && SqlErrors.IsAway(exception) && !cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException($"The schema could not be checked: {exception.Message}", exception);
        }
    }

    private async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await source.OpenConnectionAsync(cancellationToken);
        }
        catch (DbException exception)
        {
            // An unknown database or a wrong password too: it may be made or changed.
            throw new StoreUnavailableException($"No connection to the database: {exception.Message}", exception);
        }
    }

    private static async Task CheckServerAsync(SqlSession session)
    {
        var modes = (await session.ReadAsync("SELECT @@sql_mode", row => row.GetString(0)))[0];
        if (!modes.Contains("STRICT_", StringComparison.Ordinal))
            throw new InvalidDataException($"The server's sql_mode is '{modes}'; it must have STRICT_TRANS_TABLES or STRICT_ALL_TABLES, so that nothing is cut off silently.");
    }

    private async Task<int> ApplyLockedAsync(SqlSession session, IReadOnlyList<SqlScript> scripts)
    {
        await session.RunAsync(CreateVersions);
        var rows = await session.ReadAsync(
            SelectVersions, row => (Version: row.GetInt32(0), Hash: row.GetString(1), Statements: row.GetInt32(2), Applied: row.GetInt32(3)));
        var newest = scripts[^1].Version;
        if (rows.Count > 0 && rows[^1].Version > newest)
        {
            throw new InvalidDataException(
                $"The database has schema {rows[^1].Version}, this program knows up to {newest}. Start a program that is at least as new as the one that wrote it.");
        }
        foreach (var script in scripts)
        {
            var done = rows.Find(row => row.Version == script.Version);
            if (done != default && done.Hash != script.Hash)
            {
                throw new InvalidDataException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Schema script {script.Name} is not the one that was applied to this database ({done.Applied} of {done.Statements} statements). A script is never changed; a new one is added."));
            }
            if (done == default || done.Applied < script.Statements.Count)
                await ApplyAsync(session, script, done == default ? null : done.Applied);
        }
        return newest;
    }

    private async Task ApplyAsync(SqlSession session, SqlScript script, int? applied)
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        if (applied is { } resumed)
        {
            SaverLog.ScriptResumed(logger, script.Version, script.Name, resumed + 1);
        }
        else
        {
            await session.RunAsync(
                InsertVersion, ("version", script.Version), ("name", script.Name), ("hash", script.Hash), ("statements", script.Statements.Count),
                ("now", now));
        }
        for (var i = applied ?? 0; i < script.Statements.Count; i++)
        {
            try
            {
                await session.RunAsync(script.Statements[i]);
            }
            catch (DbException exception) when (i == applied && Exists.Contains(exception.SqlState))
            {
                // Carried out before, but the process died before it was recorded.
            }
            await session.RunAsync(UpdateVersion, ("applied", i + 1), ("now", now), ("version", script.Version));
        }
        SaverLog.ScriptApplied(logger, script.Version, script.Name, script.Statements.Count);
    }
}
