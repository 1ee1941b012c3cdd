using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace PushSystem.Transport.Shards;

/// <summary>
/// One shard: it owns its connections' slots, their waiting bytes, their deadlines and the turn on which all of it is used.
/// Any thread may post; everything else happens on the turn, one at a time, on whatever pool thread runs it. The engine's
/// core makes it and stops it with <see cref="StopAsync"/>, after which nothing runs any more.
/// </summary>
internal sealed partial class Shard : ITransportShard, IThreadPoolWorkItem
{
    // Long enough to gather output over many items, short enough that a turn stays in the low milliseconds.
    private const int MaxItemsPerTurn = 512;

    private const int MaxStoppedPerItem = 1024;

    private readonly EngineCore _core;
    private readonly ILogger _logger;
    private readonly TransportMetrics _metrics;
    private readonly TransportOptions _options;
    private readonly ShardQueue _queue = new();
    private readonly ConnectionTable _table = new();
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TickItem _tick = new();
    private readonly TimingWheel _wheel;
    // Null only before the start, when there is no connection it could be called for.
    private IConnectionHandler _handler = null!;
    private int _scheduled;
    private int _load;
    private int _wires;
    private int _turnThread;
    private long _now;
    private bool _stopping;
    private bool _sealed;

    public Shard(EngineCore core, int index, bool inline)
    {
        _core = core;
        _options = core.Options;
        _logger = core.Logger;
        _metrics = core.Metrics;
        Index = index;
        IsInline = inline;
        _now = core.Clock.Now;
        _wheel = new TimingWheel((long)Math.Ceiling(_options.WheelTick.TotalMilliseconds), _now);
        _receiveBuffer = new byte[_options.ReceiveBufferBytes];
    }

    /// <inheritdoc/>
    public int Index { get; }

    /// <summary>Turns run only when the engine's owner runs them.</summary>
    public bool IsInline { get; }

    /// <inheritdoc/>
    public int ConnectionCount => _table.Count;

    /// <summary>Connections here and on their way here. Any thread.</summary>
    public int Load => Volatile.Read(ref _load);

    /// <inheritdoc/>
    public long Now => _now;

    public void Start(IConnectionHandler handler) => _handler = handler;

    /// <inheritdoc/>
    public bool Post<TState>(Action<TState> action, TState state)
    {
        ArgumentNullException.ThrowIfNull(action);
        var item = PostedItem<TState>.Rent(action, state);
        if (Enqueue(item))
            return true;
        item.Return();
        return false;
    }

    /// <summary>Queues an item for a turn. Any thread. False when the shard has stopped.</summary>
    public bool Enqueue(IWorkItem item)
    {
        if (!_queue.TryPush(item))
            return false;
        Schedule();
        return true;
    }

    /// <summary>Queues the wheel's tick unless the last one still waits. Any thread.</summary>
    public void PostTick()
    {
        if (_tick.TryClaim())
            Enqueue(_tick);
    }

    /// <summary>Hands a new wire over, whose place the caller has reserved. Any thread. False when the shard has stopped.</summary>
    public bool Adopt(IWorkItem wire)
    {
        Interlocked.Increment(ref _load);
        if (Enqueue(wire))
            return true;
        Interlocked.Decrement(ref _load);
        return false;
    }

    /// <summary>Closes every connection and completes when the last one's operations have ended. Any thread.</summary>
    public Task StopAsync()
    {
        Post(static shard => shard.StopFrom(0), this);
        return _stopped.Task;
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (RunTurn())
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>For an inline engine: runs a turn on this thread if one is due.</summary>
    public bool RunIfScheduled()
    {
        if (Volatile.Read(ref _scheduled) == 0 || _stopped.Task.IsCompleted)
            return false;
        while (RunTurn())
        {
        }
        return true;
    }

    public void RunPosted<TState>(Action<TState> action, TState state)
    {
        try
        {
            action(state);
        }
        catch (Exception exception)
        {
            TransportLog.ShardHandlerFault(_logger, nameof(Post), Index, exception);
        }
    }

    /// <inheritdoc/>
    public IPEndPoint? RemoteEndPoint(ConnectionRef connection)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        return Unsafe.IsNullRef(ref slot) ? null : slot.Wire!.Remote;
    }

    private void Schedule()
    {
        if (Volatile.Read(ref _scheduled) != 0 || Interlocked.Exchange(ref _scheduled, 1) != 0)
            return;
        if (!IsInline)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    // True when another turn is due; the flag then stays set.
    private bool RunTurn()
    {
        _turnThread = Environment.CurrentManagedThreadId;
        _now = _core.Clock.Now;
        var items = 0;
        while (items < MaxItemsPerTurn && _queue.Take() is { } item)
        {
            items++;
            try
            {
                item.Run(this);
            }
            catch (Exception exception)
            {
                TransportLog.TurnFault(_logger, Index, exception);
            }
            FinishClosed();
        }
        ResumePaused();
        FinishClosed();
        EndTurn();
        FlushGathered();
        FinishClosed();
        ReportMetrics();
        if (_stopping && _wires == 0 && !_sealed)
        {
            _sealed = true;
            _queue.Seal();
        }
        _turnThread = 0;
        if (!_queue.IsEmpty || HasGathered || _resuming.Count > 0 || _finishing.Count > 0)
            return true;
        if (_sealed)
        {
            _stopped.TrySetResult();
            return false;
        }
        // The exchange is a full fence: a push that saw the flag still set is seen here.
        Interlocked.Exchange(ref _scheduled, 0);
        return !_queue.IsEmpty && Interlocked.Exchange(ref _scheduled, 1) == 0;
    }

    private void EndTurn()
    {
        try
        {
            _handler?.TurnEnded();
        }
        catch (Exception exception)
        {
            TransportLog.ShardHandlerFault(_logger, nameof(IConnectionHandler.TurnEnded), Index, exception);
        }
    }

    // In steps, so that a million connections do not make one endless turn. Nothing is added once it has begun.
    private void StopFrom(int first)
    {
        _stopping = true;
        var end = Math.Min(first + MaxStoppedPerItem, _table.Used);
        for (var index = first; index < end; index++)
        {
            ref var slot = ref _table[index];
            if (slot.Wire is not null)
                Finish(ref slot, index, CloseCause.Shutdown);
        }
        if (end < _table.Used)
            Post(static at => at.Shard.StopFrom(at.End), (Shard: this, End: end));
    }

    [Conditional("DEBUG")]
    private void AssertOnTurn([CallerMemberName] string member = "")
    {
        if (_turnThread != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException($"{member} was called outside of shard {Index}'s turn; post it to the shard instead.");
    }
}
