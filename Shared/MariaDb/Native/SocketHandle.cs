using System.Runtime.InteropServices;

namespace PushSystem.MariaDb.Native;

/// <summary>
/// A second descriptor of a connection's socket. The library may close its own at any moment and the number be used again; this one
/// stays valid until it is closed here, so that another thread may shut the socket down. Not thread-safe: the owner locks.
/// </summary>
internal sealed partial class SocketHandle : IDisposable
{
    private const int DuplicateCloseOnExec = 1030;
    private const int ShutBoth = 2;
    private const short PollIn = 1;

    private int _descriptor;

    private SocketHandle(int descriptor) => _descriptor = descriptor;

    /// <summary>Null where there is no such socket.</summary>
    public static SocketHandle? Duplicate(int descriptor) =>
        OperatingSystem.IsLinux() && descriptor >= 0 && Control(descriptor, DuplicateCloseOnExec, 0) is var copy and >= 0
            ? new SocketHandle(copy)
            : null;

    /// <summary>Ends whatever waits on the socket, on any thread.</summary>
    public void Shutdown()
    {
        if (_descriptor >= 0)
            _ = Shutdown(_descriptor, ShutBoth);
    }

    /// <summary>
    /// True when nothing has come in: an idle server says nothing, so input means that it closed the connection or is about to.
    /// </summary>
    public bool IsQuiet()
    {
        if (_descriptor < 0)
            return false;
        var state = new PollState { Descriptor = _descriptor, Events = PollIn };
        return Poll(ref state, 1, 0) == 0;
    }

    public void Dispose()
    {
        if (_descriptor >= 0)
            _ = Close(_descriptor);
        _descriptor = -1;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int Shutdown(int descriptor, int how);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref PollState state, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollState
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
