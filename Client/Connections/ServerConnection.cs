using System.IO.Pipelines;
using System.Net.Sockets;
using PushSystem.Client.Delivery;
using PushSystem.Client.Heartbeat;
using PushSystem.Client.Routing;
using PushSystem.Client.Upstream;
using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

/// <summary>
/// One TCP connection to a room, from the preface to the end, and the sessions on it.
/// Owns the socket, the loops (send, receive, heartbeat), the app indexes; any thread may call it; the connection loop runs and
/// disposes it, and a connection that has ended never touches what a newer one does.
/// </summary>
internal sealed partial class ServerConnection : IAsyncDisposable
{
    // How long a stop waits for the server to close its half, so that the last ACK is not lost to a reset.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1);

    private readonly ClientContext _context;
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly PipeReader _reader;
    private readonly FrameOutput _output;
    private readonly HeartbeatMonitor _heartbeat;
    private readonly CancellationTokenSource _ending = new();
    private readonly CancellationToken _ended;
    private readonly TaskCompletionSource<ConnectionEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Lock _lock = new();
    private readonly Dictionary<int, ClientSession> _sessions = [];
    private readonly Dictionary<long, PendingBind> _binds = [];
    private readonly Dictionary<PushBinding, object> _attempting = [];
    private readonly List<Task> _tasks = [];
    private long _lastRequest;
    private bool _uncertain;

    public ServerConnection(ClientContext context, Socket socket, RoomEndpoint endpoint)
    {
        _context = context;
        _socket = socket;
        _ended = _ending.Token;
        Endpoint = endpoint;
        _stream = new NetworkStream(socket, ownsSocket: true);
        // Zero-byte reads: an idle connection holds no buffer.
        _reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(useZeroByteReads: true, leaveOpen: true));
        _output = new FrameOutput(_stream, context.Time);
        _heartbeat = new HeartbeatMonitor(
            this, _output, new FixedHeartbeat(context.Options.HeartbeatInterval), context.Time, context.Options.PingTimeout);
    }

    /// <summary>Where it is connected.</summary>
    public RoomEndpoint Endpoint { get; }

    /// <summary>What the server told at login.</summary>
    public SessionSettings Settings { get; private set; } = null!;

    /// <summary>Timestamp of the login.</summary>
    public long OnlineSince { get; private set; }

    /// <summary>Acknowledgements; set with the login.</summary>
    public AckBatcher Acks { get; private set; } = null!;

    /// <summary>Times that bytes were read, or that reading went on after a pause.</summary>
    public long Reads => Volatile.Read(ref _reads);

    /// <summary>Not reading, because the handler is behind.</summary>
    public bool IsPaused => Volatile.Read(ref _paused);

    /// <summary>Ended or about to: nothing that came on it counts any more.</summary>
    public bool HasEnded => _ended.IsCancellationRequested;

    /// <summary>Ends the connection; the first reason counts.</summary>
    public void End(ConnectionEnd end)
    {
        // While finishing, the server's close is only the answer to ours.
        if (!_end.TrySetResult(_finishing ?? end))
            return;
        _ending.Cancel();
        _socket.Dispose();
    }

    /// <summary>The server broke the protocol.</summary>
    public void Violation(string detail)
    {
        if (!HasEnded)
            _context.OnError(new ClientError(ClientErrorKind.Protocol, detail, null));
        End(ConnectionEnd.Violation(detail));
    }

    /// <summary>
    /// Opens the sessions after a login and runs the loops until the connection ends or <paramref name="stop"/>, which first sends what is to be sent. Never throws.
    /// </summary>
    public async Task<ConnectionEnd> RunAsync(CancellationToken stop)
    {
        try
        {
            await BeginAsync();
        }
        catch (OperationCanceledException) when (HasEnded)
        {
        }
        Track(HeartbeatAsync());
        Track(ReceiveLoopAsync());
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (stop.Register(() => stopped.TrySetResult()))
            await Task.WhenAny(_end.Task, stopped.Task);
        if (!_end.Task.IsCompleted)
            await FinishAsync(ConnectionEnd.Stopping);
        return await _end.Task;
    }

    /// <summary>Sends what is to be sent, the acknowledgements first of all, and closes in good order.</summary>
    public async Task FinishAsync(ConnectionEnd end)
    {
        _finishing = end;
        await _drain.CancelAsync();
        _output.Complete();
        try
        {
            await _sendLoop!.WaitAsync(_context.Options.StopTimeout, _context.Time);
            if (!HasEnded)
            {
                _socket.Shutdown(SocketShutdown.Send);
                await _end.Task.WaitAsync(Linger, _context.Time);
            }
        }
        catch (Exception e) when (e is TimeoutException or SocketException or ObjectDisposedException)
        {
        }
        End(end);
    }

    /// <summary>Sends an upstream message; the outbox keeps it until it is answered.</summary>
    public void Send(ClientSession session, PendingSend send) => _output.Write(output => new SendMessage
    {
        AppIndex = session.Index,
        MessageId = send.Id,
        Type = send.Type,
        Kind = send.Kind,
        Payload = send.Payload,
    }.Write(output));

    /// <summary>What the next connection may resume; null when the room will not have it or what is bound there is not certain.</summary>
    public ResumeOffer? OfferResume()
    {
        lock (_lock)
        {
            if (!_end.Task.IsCompleted || !_end.Task.Result.MayResume || _uncertain || _binds.Count > 0
                || Settings is not { ResumeTicket.IsEmpty: false, ResumeSeconds: > 0 } settings)
            {
                return null;
            }
            return new ResumeOffer(settings.ResumeTicket, _context.Time.GetTimestamp(), TimeSpan.FromSeconds(settings.ResumeSeconds), Endpoint,
                [.. _sessions.Values.Where(s => s.Status == SessionStatus.Active)]);
        }
    }

    /// <summary>Runs something for as long as the connection lives; awaited on dispose.</summary>
    public void Track(Task task)
    {
        lock (_lock)
        {
            _tasks.RemoveAll(t => t.IsCompleted);
            _tasks.Add(task);
        }
    }

    /// <summary>Ends with the connection.</summary>
    public CancellationToken Ending => _ended;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        End(ConnectionEnd.Stopping);
        Task[] tasks;
        lock (_lock)
            tasks = [.. _tasks];
        // A task that is tracked late ends by itself, because the connection has ended.
        await Task.WhenAll(tasks);
        if (_sendLoop is { } loop)
            await loop;
        ClientSession[] sessions;
        lock (_lock)
            sessions = [.. _sessions.Values];
        foreach (var session in sessions)
        {
            _context.Outbox.Detach(session);
            session.Gone.TrySetResult();
        }
        Acks?.Dispose();
        await _reader.CompleteAsync();
        await _stream.DisposeAsync();
        _socket.Dispose();
        _drain.Dispose();
        _ending.Dispose();
    }

    private Task? _sendLoop;

    private void StartSending() => _sendLoop = GuardAsync(() => _output.RunAsync(_ended));

    private Task HeartbeatAsync() => GuardAsync(() => _heartbeat.RunAsync(Settings, _ended));

    private Task ReceiveLoopAsync() => GuardAsync(ReceiveAsync);

    // Every loop ends here: what it threw becomes the connection's end.
    private async Task GuardAsync(Func<Task> loop)
    {
        try
        {
            await loop();
        }
        catch (Exception) when (HasEnded)
        {
        }
        catch (ProtocolException e)
        {
            Violation(e.Message);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            End(ConnectionEnd.Lost($"the connection broke: {e.Message}"));
        }
        catch (Exception e)
        {
            _context.OnError(new ClientError(ClientErrorKind.Protocol, "a fault in the client ended the connection", e));
            End(new ConnectionEnd(ReasonCode.InternalError, ReconnectAdvice.BackOff, e.Message));
        }
    }
}

/// <summary>A BIND without an answer yet.</summary>
internal sealed record PendingBind(PushBinding Binding, TaskCompletionSource<BindResult?> Completion);
