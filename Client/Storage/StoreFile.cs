using Microsoft.Win32.SafeHandles;

namespace PushSystem.Client.Storage;

/// <summary>
/// The bytes under a store. The base class is the one on disk; tests derive from it to make writes fail.
/// Owns the open file, locked against other processes; used under the store's lock; disposed by the store.
/// </summary>
internal class StoreFile(string path) : IDisposable
{
    private SafeFileHandle _handle = Open(path, FileMode.OpenOrCreate);

    /// <summary>Bytes in the file.</summary>
    public long Length => RandomAccess.GetLength(_handle);

    /// <summary>Reads up to the buffer's size.</summary>
    public int Read(Span<byte> buffer, long offset) => RandomAccess.Read(_handle, buffer, offset);

    /// <summary>Writes everything or throws <see cref="IOException"/>.</summary>
    public virtual void Write(ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(_handle, bytes, offset);

    /// <summary>Makes what was written survive a power loss.</summary>
    public virtual void FlushToDisk() => RandomAccess.FlushToDisk(_handle);

    /// <summary>Puts a new file with <paramref name="content"/> in the place of the old one in one step.</summary>
    public virtual void Replace(ReadOnlySpan<byte> content)
    {
        var temporary = path + ".new";
        // A leftover of a crash; the locked file beside it makes this process its only user.
        File.Delete(temporary);
        var handle = Open(temporary, FileMode.CreateNew);
        try
        {
            RandomAccess.Write(handle, content, 0);
            RandomAccess.FlushToDisk(handle);
            MoveOver(temporary);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
        _handle.Dispose();
        _handle = handle;
    }

    /// <summary>Puts the old content aside under <paramref name="asidePath"/> and goes on with an empty file.</summary>
    public void SetAside(string asidePath)
    {
        File.Move(path, asidePath, overwrite: true);
        var handle = Open(path, FileMode.CreateNew);
        _handle.Dispose();
        _handle = handle;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handle.Dispose();
        GC.SuppressFinalize(this);
    }

    private void MoveOver(string temporary)
    {
        // Windows does not put a file in the place of an open one.
        if (OperatingSystem.IsWindows())
            _handle.Dispose();
        try
        {
            File.Move(temporary, path, overwrite: true);
        }
        catch when (_handle.IsClosed)
        {
            _handle = Open(path, FileMode.OpenOrCreate);
            throw;
        }
    }

    // The lock against other processes; on Windows an open file can be renamed only when it is shared for deletion.
    private static SafeFileHandle Open(string path, FileMode mode) => File.OpenHandle(
        path, mode, FileAccess.ReadWrite, OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None);
}
