namespace PushSystem.Cluster.Apps;

/// <summary>
/// The cluster key's file: one key per line, the current one first; a second one is the key before it, while it is being replaced.
/// Empty lines and lines that begin with # are left out. Static.
/// </summary>
public static class ClusterKeyFile
{
    private const int Shortest = 32, Longest = 1_024;

    /// <summary>One or two keys: the bytes of their lines. Throws <see cref="InvalidDataException"/> that names the line and the limit.</summary>
    public static IReadOnlyList<byte[]> Read(string path)
    {
        var keys = new List<byte[]>();
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            var text = line.Trim();
            if (text.Length == 0 || text[0] == '#')
                continue;
            if (text.Length is < Shortest or > Longest || text.Any(character => character is < '!' or > '~'))
                throw new InvalidDataException(
                    $"{path}, line {number}: a cluster key has {Shortest} to {Longest} printable ASCII characters without spaces (openssl rand -base64 48 makes one)");
            keys.Add(System.Text.Encoding.ASCII.GetBytes(text));
        }
        return keys.Count is 1 or 2
            ? keys
            : throw new InvalidDataException($"{path} holds {keys.Count} cluster keys, it must hold 1, or 2 while the key is replaced");
    }
}
