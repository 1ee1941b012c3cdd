using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Links;

/// <summary>Why a link ended.</summary>
internal enum LinkEnd
{
    ByPeer,
    Broken,
    Silent,
    Protocol,
    Slow,
    Stopped,
    Replaced,
}

/// <summary>
/// One authenticated connection, the half that both sides share: receiving, sending, pings, the end. It owns the wire, the input, the
/// queue and the pump; receiving is done by one thread at a time, everything else by any; whoever opened or accepted it closes it and
/// awaits <see cref="Ended"/>.
/// </summary>
internal abstract class LinkConnection : IThreadPoolWorkItem
{
    /// <summary>Receives in a row before the frames received so far are worked on.</summary>
    private const int ReceivesInTurn = 4;

    /// <summary>Longer than a send takes.</summary>
    private static readonly TimeSpan SparseGap = TimeSpan.FromMicroseconds(50);

    private readonly IWire _wire;
    private readonly FrameInput _input;
    private readonly RpcOptions _options;
    private readonly ILogger _logger;
    private readonly RpcMetrics _metrics;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action _onReceived;
    private readonly long _sparse;
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _receiving;
    private long _lastReceived;
    private long _lastPing;
    private long _lastFrame;
    private int _closed;

    protected LinkConnection(IWire wire, Peer peer, RpcOptions options, LinkClock clock, RpcMetrics metrics, ILogger logger)
    {
        _wire = wire;
        _options = options;
        _logger = logger;
        _metrics = metrics;
        Peer = peer;
        Clock = clock;
        _sparse = clock.Ticks(SparseGap);
        _input = new FrameInput(options.MaxFrameBytes);
        Pump = new CallPump(logger);
        Output = new OutgoingQueue(wire, options.MaxQueuedBytes, SendFailed, metrics.Sent);
        _onReceived = ReceiveTurn;
        _lastReceived = clock.Now;
    }

    public Peer Peer { get; }

    /// <summary>Completes when nothing receives any more; closing comes before.</summary>
    public Task Ended => _ended.Task;

    public bool IsClosed => Volatile.Read(ref _closed) != 0;

    protected LinkClock Clock { get; }

    protected CallPump Pump { get; }

    protected OutgoingQueue Output { get; }

    /// <summary>Bytes that wait to be sent.</summary>
    public long QueuedBytes => Output.QueuedBytes;

    /// <summary>Calls in flight.</summary>
    public abstract int InFlight { get; }

    /// <summary>Begins to receive. Called once.</summary>
    public void Start()
    {
        try
        {
            _receiving = Receive();
        }
        catch (Exception e)
        {
            // Closed before it began.
            Close(LinkEnd.Broken, $"receiving failed: {e.Message}");
            End();
            return;
        }
        if (_receiving.IsCompleted)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        else
            _receiving.UnsafeOnCompleted(_onReceived);
    }

    /// <summary>Ends the link at once, once; any thread.</summary>
    public void Close(LinkEnd end, string reason)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        Output.Close();
        try
        {
            // Before the peer can see the end: when it comes back, this link does not count any more.
            OnClosed(end, reason);
        }
        finally
        {
            _wire.Abort();
        }
    }

    /// <summary>Looks at silence and deadlines; called at each tick.</summary>
    public void Tick(long now)
    {
        var silent = now - Volatile.Read(ref _lastReceived);
        if (silent > Clock.Ticks(_options.DeadAfter))
        {
            Close(LinkEnd.Silent, $"nothing was received for {Clock.Seconds(silent):0.0} s (Rpc:DeadAfter)");
            return;
        }
        var pingAfter = Clock.Ticks(_options.PingAfter);
        if (silent > pingAfter && now - _lastPing > pingAfter)
        {
            _lastPing = now;
            SendControl(FrameKind.Ping, now);
        }
        // Only if an item of a pump takes long may something wait until here.
        Output.Flush();
        OnTick(now);
    }

    /// <summary>Sends a frame without a body.</summary>
    protected void SendControl(FrameKind kind, long id, CallPump? batch = null)
    {
        Span<byte> frame = stackalloc byte[NodeFrame.HeaderBytes];
        NodeFrame.WriteHeader(frame, kind, 0, 0, id);
        Send(frame, alone: true, batch);
    }

    /// <summary>Queues a frame that the peer waits for; a peer that does not read is closed.</summary>
    protected void Send(ReadOnlySpan<byte> frame, bool alone, CallPump? batch = null)
    {
        long end = 0;
        if (Output.Append(frame, ref end, alone, batch) == Queued.Full)
            Close(LinkEnd.Slow, $"the peer does not read: {_options.MaxQueuedBytes} bytes wait (Rpc:MaxQueuedBytes)");
    }

    /// <summary>True when the frame before was sent a while ago, so that it is not worth waiting for further ones. A guess, without a lock.</summary>
    protected bool IsSparse(long now)
    {
        var gap = now - _lastFrame;
        _lastFrame = now;
        return gap > _sparse;
    }

    /// <summary>A request or a reply. It aliases the input. May throw <see cref="LinkProtocolException"/>.</summary>
    protected abstract void OnFrame(in NodeFrame frame, long now);

    /// <summary>The peer will answer nothing more.</summary>
    protected abstract void OnBye();

    /// <summary>Looks at deadlines.</summary>
    protected abstract void OnTick(long now);

    /// <summary>The link has ended; nothing can be queued any more. Called once.</summary>
    protected abstract void OnClosed(LinkEnd end, string reason);

    void IThreadPoolWorkItem.Execute() => ReceiveTurn();

    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter Receive() =>
        _wire.ReceiveAsync(_input.Free(), CancellationToken.None).ConfigureAwait(false).GetAwaiter();

    private void SendFailed(Exception e) => Close(LinkEnd.Broken, $"sending failed: {e.Message}");

    /// <summary>Takes what was received, lets another thread receive, then works on what came.</summary>
    private void ReceiveTurn()
    {
        try
        {
            if (!ReceiveFrames())
                End();
        }
        catch (LinkProtocolException e)
        {
            Close(LinkEnd.Protocol, e.Message);
            End();
        }
        catch (Exception e) when (e is System.Net.Sockets.SocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            Close(LinkEnd.Broken, $"receiving failed: {e.Message}");
            End();
        }
        catch (Exception e)
        {
            // What a closed stream throws is not always what its documentation says.
            if (!IsClosed)
                RpcLog.ReceiveFault(_logger, Peer.NodeId, e);
            Close(LinkEnd.Broken, $"fault while receiving: {e.Message}");
            End();
        }
        Pump.Work();
    }

    /// <summary>The bare loop. False: the link has ended. True: a receive is pending, and this thread must not touch the input any more.</summary>
    private bool ReceiveFrames()
    {
        var receiving = _receiving;
        for (var turns = 1; ; turns++)
        {
            var count = receiving.GetResult();
            if (count <= 0)
            {
                Close(LinkEnd.ByPeer, "the peer closed the link");
                return false;
            }
            var now = Clock.Now;
            Volatile.Write(ref _lastReceived, now);
            _metrics.Received(count);
            _input.Received(count);
            while (_input.TryRead(out var frame))
                Take(frame, now);
            if (IsClosed)
                return false;
            receiving = Receive();
            if (!receiving.IsCompleted)
            {
                _receiving = receiving;
                receiving.UnsafeOnCompleted(_onReceived);
                return true;
            }
            if (turns == ReceivesInTurn)
            {
                _receiving = receiving;
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return true;
            }
        }
    }

    private void Take(in NodeFrame frame, long now)
    {
        switch (frame.Kind)
        {
            case FrameKind.Request or FrameKind.Reply:
                OnFrame(frame, now);
                break;
            case FrameKind.Ping:
                SendControl(FrameKind.Pong, frame.Id, Pump);
                break;
            case FrameKind.Bye:
                OnBye();
                break;
        }
    }

    private void End()
    {
        _input.Dispose();
        _ended.TrySetResult();
    }
}
