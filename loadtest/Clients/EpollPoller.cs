using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PushSystem.Loadtest.Clients;

/// <summary>Linux: epoll, level-triggered. Also connects by the system call itself: .NET reports "in progress" by an exception.</summary>
internal sealed partial class EpollPoller : SocketPoller
{
    private const int CloseOnExec = 0x80000, Add_ = 1, Delete_ = 2, Modify_ = 3;
    private const uint In = 1, Out = 4, Error = 8, HangUp = 16, PeerHangUp = 0x2000;
    private const int Interrupted = 4, InProgress = 115, MaxEvents = 512;

    // struct epoll_event is packed on x64 and x86 (12 bytes), naturally aligned elsewhere (16 bytes).
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 4 : 8;
    private static readonly int EventSize = DataOffset + 8;

    private readonly byte[] _events = GC.AllocateArray<byte>(MaxEvents * 16, pinned: true);
    private readonly int _epoll;
    private bool _disposed;

    public EpollPoller()
    {
        _epoll = Create1(CloseOnExec);
        if (_epoll < 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "epoll_create1 failed");
    }

    public override void Add(Socket socket, ulong token, bool writable) => Control(Add_, socket, token, writable);

    public override void Change(Socket socket, ulong token, bool writable) => Control(Modify_, socket, token, writable);

    public override void Remove(Socket socket) => Control(Delete_, socket, 0, false);

    public override unsafe int Wait(Span<PollEvent> events, int milliseconds)
    {
        int count;
        fixed (byte* pointer = _events)
            count = EpollWait(_epoll, pointer, Math.Min(events.Length, MaxEvents), milliseconds);
        if (count < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == Interrupted ? 0 : throw new Win32Exception(error, "epoll_wait failed");
        }
        for (var i = 0; i < count; i++)
        {
            var item = _events.AsSpan(i * EventSize, EventSize);
            var flags = BitConverter.ToUInt32(item);
            events[i] = new PollEvent(BitConverter.ToUInt64(item[DataOffset..]),
                (flags & (In | Error | HangUp | PeerHangUp)) != 0, (flags & (Out | Error | HangUp)) != 0);
        }
        return count;
    }

    public override unsafe SocketError Connect(Socket socket, IPEndPoint target)
    {
        var address = target.Serialize();
        int result;
        fixed (byte* pointer = address.Buffer.Span)
            result = ConnectFd((int)socket.Handle, pointer, (uint)address.Size);
        if (result == 0)
            return SocketError.Success;
        var error = Marshal.GetLastPInvokeError();
        return error == InProgress ? SocketError.Success : ErrorOf(error);
    }

    public override void Dispose()
    {
        // Closing twice could close somebody else's descriptor.
        if (!_disposed)
            CloseFd(_epoll);
        _disposed = true;
    }

    private static SocketError ErrorOf(int errno) => errno switch
    {
        111 => SocketError.ConnectionRefused,
        110 => SocketError.TimedOut,
        99 => SocketError.AddressNotAvailable,
        101 => SocketError.NetworkUnreachable,
        113 => SocketError.HostUnreachable,
        _ => SocketError.SocketError,
    };

    private unsafe void Control(int operation, Socket socket, ulong token, bool writable)
    {
        var item = stackalloc byte[16];
        var span = new Span<byte>(item, 16);
        BitConverter.TryWriteBytes(span, In | PeerHangUp | (writable ? Out : 0));
        BitConverter.TryWriteBytes(span[DataOffset..], token);
        if (EpollControl(_epoll, operation, (int)socket.Handle, item) < 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "epoll_ctl failed");
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create1(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static unsafe partial int EpollControl(int epoll, int operation, int descriptor, byte* item);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static unsafe partial int EpollWait(int epoll, byte* events, int maxEvents, int milliseconds);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static unsafe partial int ConnectFd(int descriptor, byte* address, uint length);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseFd(int descriptor);
}
