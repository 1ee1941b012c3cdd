using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace PushSystem.Cluster.Configuration;

/// <summary>What was read from disk.</summary>
internal sealed record LastGood(long Revision, byte[] Content);

/// <summary>
/// The last good state of something, kept so that a node can start while etcd is away. A crash leaves the old file or the whole new
/// one; a damaged file, or one of another cluster, is refused with the reason. Static; one writer per file.
/// </summary>
internal static partial class LastGoodFile
{
    private const string Magic = "pushsystem-last-good-1";
    private const int MaxHeader = 1_024;
    private const long MaxContent = 1L << 30;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Replaces the file. Throws what the file system throws.</summary>
    public static void Write(string path, string cluster, long revision, ReadOnlySpan<byte> content)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(folder);
        var header = string.Create(CultureInfo.InvariantCulture,
            $"{Magic} {cluster} {revision} {content.Length} {Convert.ToHexStringLower(SHA256.HashData(content))}\n");
        var temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        using (var stream = new FileStream(temporary, options))
        {
            stream.Write(Encoding.UTF8.GetBytes(header));
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
        SyncFolder(folder);
    }

    /// <summary>The content, or null and why there is none ("" = no such file).</summary>
    public static LastGood? Read(string path, string cluster, out string problem)
    {
        problem = "";
        byte[] bytes;
        try
        {
            if (!File.Exists(path))
                return null;
            if (new FileInfo(path).Length > MaxContent)
            {
                problem = "it is too long";
                return null;
            }
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            problem = exception.Message;
            return null;
        }
        var end = bytes.AsSpan(0, Math.Min(bytes.Length, MaxHeader)).IndexOf((byte)'\n');
        var fields = end < 0 ? [] : Encoding.UTF8.GetString(bytes, 0, end).Split(' ');
        if (fields.Length != 5 || fields[0] != Magic
            || !long.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
            || !long.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out var length))
            problem = "it is not such a file";
        else if (fields[1] != cluster)
            problem = $"it belongs to the cluster {fields[1]}";
        else if (bytes.Length - end - 1 != length)
            problem = $"it has {bytes.Length - end - 1} bytes of {length}";
        else if (Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(end + 1))) != fields[4])
            problem = "its checksum is wrong";
        else
            return new LastGood(revision, bytes[(end + 1)..]);
        return null;
    }

    // Without it the rename may be gone after a power loss. Where a folder cannot be opened, the file system is trusted.
    private static void SyncFolder(string folder)
    {
        if (!OperatingSystem.IsLinux())
            return;
        var descriptor = Open(folder, 0);
        if (descriptor < 0)
            return;
        _ = Sync(descriptor);
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
