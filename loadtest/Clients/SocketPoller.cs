using System.Net;
using System.Net.Sockets;

namespace PushSystem.Loadtest.Clients;

/// <summary>What a socket is ready for. <see cref="Token"/> is the one given to Add.</summary>
internal readonly record struct PollEvent(ulong Token, bool Readable, bool Writable);

/// <summary>
/// Waits for many non-blocking sockets on one thread. Cheaper for a harness than asynchronous calls: no object, no thread
/// hand-over and one system call for each wake-up of a socket. Used by one thread only.
/// </summary>
internal abstract class SocketPoller : IDisposable
{
    /// <summary>The best one for this system.</summary>
    public static SocketPoller Create() => OperatingSystem.IsLinux() ? new EpollPoller() : new SelectPoller();

    /// <summary>Begins to watch a socket.</summary>
    public abstract void Add(Socket socket, ulong token, bool writable);

    /// <summary>Readability is always watched; writability as told.</summary>
    public abstract void Change(Socket socket, ulong token, bool writable);

    /// <summary>Stops watching, before the socket is closed.</summary>
    public abstract void Remove(Socket socket);

    /// <summary>Fills events and returns their number; 0 after the time is over.</summary>
    public abstract int Wait(Span<PollEvent> events, int milliseconds);

    /// <summary>Begins to connect a non-blocking socket; becoming writable means that it is decided.</summary>
    public virtual SocketError Connect(Socket socket, IPEndPoint target)
    {
        try
        {
            socket.Connect(target);
            return SocketError.Success;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    public abstract void Dispose();
}
