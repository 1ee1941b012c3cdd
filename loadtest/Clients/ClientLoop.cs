using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.Clients;

/// <summary>
/// Owns the sockets, buffers and timers of its clients: connecting, reading, writing, reconnecting.
/// One thread of its own does all of it; <see cref="Start"/> and <see cref="Post"/> may be called from any thread.
/// Disposed by <see cref="ClientFleet"/>: the thread ends and every socket is closed.
/// </summary>
internal sealed partial class ClientLoop : IDisposable
{
    private const int ReadBytes = 64 * 1024, MaxUnsentBytes = 256 * 1024;
    private const int LongestWaitMilliseconds = 10;

    private readonly int _number;
    private readonly ClientSettings _settings;
    private readonly IPushSink _sink;
    private readonly Func<int, ReadOnlyMemory<byte>> _tickets;
    private readonly TimeProvider _time;
    private readonly SocketPoller _poller = SocketPoller.Create();
    private readonly List<VirtualClient> _clients = [];
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly DeadlineWheel _wheel;
    private readonly Queue<(VirtualClient Client, uint Generation, long Due)> _acks = new();
    private readonly ArrayBufferWriter<byte> _output = new(4_096);
    // Room for an incomplete frame of the largest size in front of a full read.
    private readonly byte[] _input = GC.AllocateUninitializedArray<byte>(ProtocolLimits.MaxServerBody + FrameHeader.MaxSize + ReadBytes, pinned: true);
    private readonly Thread _thread;
    private readonly Random _random = new();
    private volatile bool _stopping;
    private long _now;

    public ClientLoop(int number, ClientSettings settings, IPushSink sink, Func<int, ReadOnlyMemory<byte>> tickets, TimeProvider time)
    {
        (_number, _settings, _sink, _tickets, _time) = (number, settings, sink, tickets, time);
        _now = Milliseconds();
        _wheel = new DeadlineWheel(_now);
        _thread = new Thread(Run) { Name = $"clients-{number}", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Counts.</summary>
    public LoopStats Stats { get; } = new();

    /// <summary>The error that ended the loop, if one did: a fault in the harness.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Ticks waited and passed so far.</summary>
    public (long Idle, long Elapsed) Times => (Volatile.Read(ref Stats.Idle), Volatile.Read(ref Stats.Elapsed));

    /// <summary>Share of the time since then in which the loop had work.</summary>
    public double BusyPercentSince((long Idle, long Elapsed) then)
    {
        var now = Times;
        var elapsed = now.Elapsed - then.Elapsed;
        return elapsed <= 0 ? 0 : Math.Clamp(100 - (100.0 * (now.Idle - then.Idle) / elapsed), 0, 100);
    }

    /// <summary>Runs an action on the loop's thread within some milliseconds.</summary>
    public void Post(Action action) => _posted.Enqueue(action);

    /// <summary>Connects a new client.</summary>
    public void Start(int number) => Post(() =>
    {
        var client = new VirtualClient(number, _clients.Count, _settings.UserOf(number));
        _clients.Add(client);
        Connect(client);
    });

    public void Dispose()
    {
        _stopping = true;
        _thread.Join();
        _poller.Dispose();
    }

    private void Run()
    {
        try
        {
            Turns();
        }
        catch (Exception exception)
        {
            Fault = exception;
            Stats.Count($"harness fault: {exception.GetType().Name}: {exception.Message}");
        }
        finally
        {
            foreach (var client in _clients)
                Leave(client);
        }
    }

    private void Turns()
    {
        Span<PollEvent> events = stackalloc PollEvent[512];
        Action<VirtualClient> due = Due;
        var started = _time.GetTimestamp();
        while (!_stopping)
        {
            while (_posted.TryDequeue(out var action))
                action();
            var wait = _acks.TryPeek(out var first) ? Math.Clamp(first.Due - _now, 0, LongestWaitMilliseconds) : LongestWaitMilliseconds;
            var before = _time.GetTimestamp();
            var count = _poller.Wait(events, (int)wait);
            var after = _time.GetTimestamp();
            Stats.Idle += after - before;
            Stats.Elapsed = after - started;
            _now = Milliseconds();
            foreach (var item in events[..count])
            {
                var client = _clients[(int)(item.Token >> 32)];
                if (client.Generation == (uint)item.Token && client.Socket is not null)
                    Ready(client, item);
            }
            _now = Milliseconds();
            SendDueAcks();
            _wheel.Advance(_now, due);
        }
    }

    private void Ready(VirtualClient client, in PollEvent item)
    {
        if (client.State == ClientState.Connecting)
        {
            var error = (SocketError)(int)client.Socket!.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            if (error != SocketError.Success)
                Lost(client, $"connect: {error}");
            else if (item.Writable)
                Connected(client);
            return;
        }
        if (item.Writable && client.UnsentLength > 0 && !Flush(client))
            return;
        if (item.Readable)
            Read(client);
    }

    private void Connect(VirtualClient client)
    {
        Stats.Connects++;
        client.Generation++;
        client.ConnectedAt = _time.GetTimestamp();
        client.State = ClientState.Connecting;
        _wheel.Set(client, _now + _settings.LoginTimeoutMilliseconds);
        var target = _settings.Rooms[(int)((client.Number + client.Generation - 1) % _settings.Rooms.Count)];
        var socket = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false, NoDelay = true };
        client.Socket = socket;
        SocketError error;
        try
        {
            if (_settings.Sources.Count > 0)
                socket.Bind(new IPEndPoint(_settings.Sources[client.Number % _settings.Sources.Count], 0));
            error = _poller.Connect(socket, target);
        }
        catch (SocketException exception)
        {
            error = exception.SocketErrorCode;
        }
        if (error == SocketError.Success)
            _poller.Add(socket, TokenOf(client), writable: true);
        else
            LostUnwatched(client, $"connect: {error}");
    }

    private void Connected(VirtualClient client)
    {
        client.State = ClientState.LoggingIn;
        _poller.Change(client.Socket!, TokenOf(client), writable: false);
        WriteLogin(client);
        Send(client);
    }

    private void Read(VirtualClient client)
    {
        var kept = client.PartialLength;
        client.Partial.AsSpan(0, kept).CopyTo(_input);
        var count = client.Socket!.Receive(_input.AsSpan(kept, ReadBytes), SocketFlags.None, out var error);
        if (error == SocketError.WouldBlock)
            return;
        if (error != SocketError.Success || count == 0)
        {
            Lost(client, error == SocketError.Success ? "closed by the server" : $"read: {error}");
            return;
        }
        Stats.BytesReceived += count;
        var generation = client.Generation;
        int used;
        try
        {
            used = HandleFrames(client, _input.AsSpan(0, kept + count), _time.GetTimestamp());
        }
        catch (ProtocolException exception)
        {
            Lost(client, $"protocol: {exception.Message}");
            return;
        }
        if (client.Generation != generation || client.Socket is null)
            return;
        client.KeepPartial(_input.AsSpan(used, kept + count - used));
        AfterRead(client);
    }

    /// <summary>Sends what was written to <see cref="_output"/>. False when the connection is gone.</summary>
    private bool Send(VirtualClient client)
    {
        var bytes = _output.WrittenSpan;
        if (client.UnsentLength == 0)
        {
            var sent = client.Socket!.Send(bytes, SocketFlags.None, out var error);
            if (error != SocketError.Success && error != SocketError.WouldBlock)
            {
                _output.ResetWrittenCount();
                Lost(client, $"write: {error}");
                return false;
            }
            bytes = bytes[(error == SocketError.Success ? sent : 0)..];
        }
        if (!bytes.IsEmpty)
        {
            if (client.UnsentLength + bytes.Length > MaxUnsentBytes)
            {
                _output.ResetWrittenCount();
                Lost(client, "the server does not read");
                return false;
            }
            client.KeepUnsent(bytes);
            _poller.Change(client.Socket!, TokenOf(client), writable: true);
        }
        _output.ResetWrittenCount();
        return true;
    }

    private bool Flush(VirtualClient client)
    {
        var sent = client.Socket!.Send(client.Unsent.AsSpan(0, client.UnsentLength), SocketFlags.None, out var error);
        if (error == SocketError.WouldBlock)
            return true;
        if (error != SocketError.Success)
        {
            Lost(client, $"write: {error}");
            return false;
        }
        client.Sent(sent);
        if (client.UnsentLength == 0)
            _poller.Change(client.Socket!, TokenOf(client), writable: false);
        return true;
    }

    private void Lost(VirtualClient client, string reason, bool forGood = false, int window = 0)
    {
        _poller.Remove(client.Socket!);
        LostUnwatched(client, reason, forGood, window);
    }

    private void LostUnwatched(VirtualClient client, string reason, bool forGood = false, int window = 0)
    {
        var wasOnline = client.State == ClientState.Online;
        Stats.Count(reason);
        if (wasOnline)
        {
            Stats.Online--;
            Stats.Disconnects++;
        }
        else
        {
            Stats.LoginFailures++;
        }
        var stays = forGood || !_settings.Reconnect || _stopping;
        if (stays)
            Stats.Ended++;
        CloseSocketUnwatched(client, stays ? ClientState.Stopped : ClientState.Waiting);
        if (stays)
        {
            _wheel.Set(client, long.MaxValue);
            return;
        }
        // Back-off with full jitter; a window given by the server replaces it.
        var longest = window > 0 ? window : Math.Min(5_000, 200 << Math.Min(client.Failures, 5));
        client.Failures++;
        _wheel.Set(client, _now + _random.Next(longest / 4, longest));
    }

    private void Due(VirtualClient client)
    {
        switch (client.State)
        {
            case ClientState.Waiting:
                Connect(client);
                break;
            case ClientState.Connecting or ClientState.LoggingIn:
                Lost(client, client.State == ClientState.Connecting ? "connect: timeout" : "login: timeout");
                break;
            case ClientState.Online:
                SendPing(client);
                break;
        }
    }

    /// <summary>Sends the ACKs that still wait, so that a later run does not find this one's messages, and closes.</summary>
    private void Leave(VirtualClient client)
    {
        if (client.State == ClientState.Online && client.UnsentLength == 0 && Fault is null)
            SendAcks(client);
        if (client.Socket is { } socket)
            _poller.Remove(socket);
        CloseSocketUnwatched(client, ClientState.Stopped);
    }

    private static void CloseSocketUnwatched(VirtualClient client, ClientState next)
    {
        client.Socket?.Dispose();
        client.Socket = null;
        client.DropBuffers();
        client.State = next;
    }

    private static ulong TokenOf(VirtualClient client) => ((ulong)client.Index << 32) | client.Generation;

    private long Milliseconds() => _time.GetTimestamp() / (_time.TimestampFrequency / 1_000);
}
