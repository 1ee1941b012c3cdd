using System.Security.Cryptography;
using System.Text;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// Who this node is, kept as a random secret in a file of its data folder, so that a process started anew recognises the key that the
/// process before it left in etcd. The file stays locked while the process lives: a second process on the same folder is refused here.
/// Owned by whoever opened it; immutable but for the lock; Dispose releases the lock and leaves the file.
/// </summary>
public sealed class NodeToken : IDisposable
{
    private const int Length = 32;
    private readonly FileStream? _file;
    private readonly string _node;

    private NodeToken(FileStream? file, byte[] secret)
    {
        _file = file;
        // What is published does not tell the secret.
        _node = Convert.ToHexStringLower(SHA256.HashData(secret))[..16];
        Process = $"{_node}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";
    }

    /// <summary>Name of this process: the same first half for all processes of the node, a random second half.</summary>
    public string Process { get; }

    /// <summary>For a node without data folder: its key is never recognised, a restart waits until the old lease has ended.</summary>
    public static NodeToken Unsaved() => new(null, RandomNumberGenerator.GetBytes(Length));

    /// <summary>
    /// Opens the file or makes it, and locks it. Throws <see cref="IOException"/> when another process holds it, and
    /// <see cref="InvalidDataException"/> when it holds something else.
    /// </summary>
    public static NodeToken Open(string path)
    {
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (File.Exists(path))
        {
            throw new IOException($"{path} is in use: another process of this node runs on the same data folder", exception);
        }
        try
        {
            return new NodeToken(file, ReadOrWrite(file, path));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>True for a process of this node, this one included.</summary>
    public bool IsOwn(string process) => process.StartsWith(_node + "-", StringComparison.Ordinal);

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private static byte[] ReadOrWrite(FileStream file, string path)
    {
        if (file.Length == 0)
        {
            var secret = RandomNumberGenerator.GetBytes(Length);
            file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(secret) + "\n"));
            file.Flush(flushToDisk: true);
            return secret;
        }
        var text = new byte[Length * 2];
        if (file.Length > 4096 || file.ReadAtLeast(text, text.Length, throwOnEndOfStream: false) < text.Length
            || Encoding.ASCII.GetString(text) is var hex && !hex.All(char.IsAsciiHexDigitLower))
            throw new InvalidDataException($"{path} holds no node token ({Length * 2} hexadecimal digits); if it was damaged, remove it");
        return Convert.FromHexString(Encoding.ASCII.GetString(text));
    }
}
