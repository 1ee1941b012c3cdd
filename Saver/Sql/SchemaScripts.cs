using System.Globalization;
using Microsoft.Extensions.Logging;

namespace PushSystem.Saver.Sql;

/// <summary>The numbered scripts embedded beside this file, applied in order, each in its own transaction.</summary>
internal static class SchemaScripts
{
    private const string Prefix = "PushSystem.Saver.Sql.Schema.";

    /// <summary>Brings the database to the newest version; refuses one that is newer than this program.</summary>
    public static int Apply(RawConnection connection, TimeProvider clock, ILogger logger)
    {
        connection.Execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)");
        var version = (int)connection.Scalar("SELECT max(version) FROM schema_version");
        var scripts = Read();
        var newest = scripts[^1].Version;
        if (version > newest)
        {
            throw new InvalidDataException(
                $"The database has schema {version}, this program knows up to {newest}. Start a program that is at least as new as the one that wrote it.");
        }
        foreach (var script in scripts)
        {
            if (script.Version <= version)
                continue;
            connection.Execute("BEGIN IMMEDIATE");
            try
            {
                connection.Execute(script.Sql);
                connection.Execute(string.Create(CultureInfo.InvariantCulture,
                    $"INSERT INTO schema_version VALUES ({script.Version}, {clock.GetUtcNow().ToUnixTimeMilliseconds()})"));
                connection.Execute("COMMIT");
            }
            catch
            {
                if (connection.InTransaction)
                    connection.Execute("ROLLBACK");
                throw;
            }
            SaverLog.SchemaApplied(logger, script.Version);
        }
        return newest;
    }

    private static List<(int Version, string Sql)> Read()
    {
        var assembly = typeof(SchemaScripts).Assembly;
        var scripts = new List<(int, string)>();
        foreach (var name in assembly.GetManifestResourceNames())
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal))
                continue;
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            scripts.Add((int.Parse(name.AsSpan(Prefix.Length, 4), CultureInfo.InvariantCulture), reader.ReadToEnd()));
        }
        scripts.Sort();
        return scripts;
    }
}
