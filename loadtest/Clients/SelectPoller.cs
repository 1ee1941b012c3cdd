using System.Net.Sockets;

namespace PushSystem.Loadtest.Clients;

/// <summary>Any system: Socket.Select, whose cost grows with the number of sockets. For small runs away from Linux.</summary>
internal sealed class SelectPoller : SocketPoller
{
    private readonly Dictionary<Socket, (ulong Token, bool Writable)> _sockets = [];
    private readonly List<Socket> _read = [], _write = [], _error = [];
    private readonly Dictionary<Socket, (bool Readable, bool Writable)> _ready = [];

    public override void Add(Socket socket, ulong token, bool writable) => _sockets.Add(socket, (token, writable));

    public override void Change(Socket socket, ulong token, bool writable) => _sockets[socket] = (token, writable);

    public override void Remove(Socket socket) => _sockets.Remove(socket);

    public override int Wait(Span<PollEvent> events, int milliseconds)
    {
        if (_sockets.Count == 0)
        {
            // Select refuses empty lists; the caller only wants to be back after the time.
            using var pause = new ManualResetEventSlim();
            pause.Wait(milliseconds);
            return 0;
        }
        _read.Clear();
        _write.Clear();
        _error.Clear();
        foreach (var (socket, (_, writable)) in _sockets)
        {
            _read.Add(socket);
            if (!writable)
                continue;
            _write.Add(socket);
            _error.Add(socket); // Windows reports a refused connection here.
        }
        Socket.Select(_read, _write, _error, milliseconds * 1_000);
        _ready.Clear();
        foreach (var socket in _read)
            _ready[socket] = (true, false);
        foreach (var socket in _write.Concat(_error))
            _ready[socket] = (_ready.ContainsKey(socket), true);
        var count = 0;
        foreach (var (socket, (readable, writable)) in _ready)
        {
            if (count == events.Length)
                break;
            events[count++] = new PollEvent(_sockets[socket].Token, readable, writable);
        }
        return count;
    }

    public override void Dispose() => _sockets.Clear();
}
