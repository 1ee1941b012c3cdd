using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PushSystem.Saver.MySql;

/// <summary>
/// One numbered script of the schema. Its rules: a statement ends with a semicolon at the end of a line, a comment has lines of its own,
/// and every statement may be repeated (IF NOT EXISTS), because the database commits each of them by itself.
/// </summary>
internal sealed record SqlScript(int Version, string Name, string Hash, IReadOnlyList<string> Statements)
{
    private const string Prefix = "PushSystem.Saver.MySql.Schema.";

    /// <summary>The scripts embedded in this program, by number.</summary>
    public static IReadOnlyList<SqlScript> Embedded()
    {
        var assembly = typeof(SqlScript).Assembly;
        var scripts = new List<SqlScript>();
        foreach (var resource in assembly.GetManifestResourceNames())
        {
            if (!resource.StartsWith(Prefix, StringComparison.Ordinal))
                continue;
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            scripts.Add(Parse(resource[Prefix.Length..], reader.ReadToEnd()));
        }
        scripts.Sort((one, other) => one.Version.CompareTo(other.Version));
        return scripts;
    }

    /// <summary>Reads a script. The name begins with its number of four digits.</summary>
    public static SqlScript Parse(string name, string text)
    {
        text = text.ReplaceLineEndings("\n");
        var statements = new List<string>();
        var current = new StringBuilder();
        foreach (var line in text.Split('\n'))
        {
            var trimmed = line.Trim();
            if (trimmed.Length == 0 || trimmed.StartsWith("--", StringComparison.Ordinal))
                continue;
            if (!trimmed.EndsWith(';'))
            {
                current.Append(trimmed).Append('\n');
                continue;
            }
            current.Append(trimmed[..^1]);
            statements.Add(current.ToString());
            current.Clear();
        }
        if (current.Length > 0)
            throw new InvalidDataException($"The schema script {name} ends within a statement.");
        return new SqlScript(
            int.Parse(name.AsSpan(0, 4), CultureInfo.InvariantCulture), Path.GetFileNameWithoutExtension(name),
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))), statements);
    }
}
