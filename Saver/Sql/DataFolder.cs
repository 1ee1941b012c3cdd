namespace PushSystem.Saver.Sql;

/// <summary>
/// The folder that holds the database, locked for this process. Owned by the store, disposed by it as the last thing.
/// </summary>
internal sealed class DataFolder : IDisposable
{
    private readonly FileStream _lock;

    private DataFolder(string path, FileStream held)
    {
        DatabasePath = Path.Combine(path, "push.db");
        _lock = held;
    }

    public string DatabasePath { get; }

    /// <summary>Creates the folder when missing and locks it; throws <see cref="IOException"/> when another process has it.</summary>
    public static DataFolder Take(string path)
    {
        Directory.CreateDirectory(path);
        var lockPath = Path.Combine(path, "push.lock");
        try
        {
            return new DataFolder(path, new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException exception)
        {
            throw new IOException(
                $"The data folder '{Path.GetFullPath(path)}' is in use by another process (its lock file '{lockPath}' is held). "
                + "Stop that process or choose another DataFolder.", exception);
        }
    }

    /// <summary>Bytes of the database and its log.</summary>
    public long Size()
    {
        long size = 0;
        foreach (var suffix in (ReadOnlySpan<string>)["", "-wal"])
        {
            var file = new FileInfo(DatabasePath + suffix);
            if (file.Exists)
                size += file.Length;
        }
        return size;
    }

    public void Dispose() => _lock.Dispose();
}
