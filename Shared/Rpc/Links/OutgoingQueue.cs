using System.Buffers;
using System.Runtime.CompilerServices;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Links;

internal enum Queued
{
    Ok,
    Full,
    Closed,
}

/// <summary>
/// What waits to be sent on one link, as a stream of bytes in pooled segments. It owns the segments; any thread appends and flushes, one
/// at a time sends; the connection closes it.
/// A frame leaves at once when its sender is alone. While a send is under way, or a pump has more items to run, frames gather and leave
/// together in the next send.
/// </summary>
internal sealed class OutgoingQueue : IThreadPoolWorkItem
{
    public const int SegmentBytes = 32 * 1024;
    /// <summary>So much is sent even if a pump would gather more.</summary>
    private const int EnoughBytes = 16 * 1024;
    /// <summary>Sends in a row before another thread takes over, so that no caller sends for the others for long.</summary>
    private const int SendsInTurn = 4;

    private readonly Lock _lock = new();
    private readonly IWire _wire;
    private readonly long _maxBytes;
    private readonly Action<Exception> _failed;
    private readonly Action<int> _sent;
    private readonly Action _onSent;
    private readonly Queue<Segment> _full = new();
    private Segment _last;
    private byte[]? _spare;
    private long _appended;
    private long _handedOver;
    private long _done;
    private bool _sending;
    private bool _scheduled;
    private int _resume;
    private TaskCompletionSource? _empty;
    private bool _closed;
    private Segment _current;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _pending;

    /// <param name="failed">Told when a send fails; the connection then closes the queue.</param>
    /// <param name="sent">Told the bytes of each send.</param>
    public OutgoingQueue(IWire wire, long maxBytes, Action<Exception> failed, Action<int> sent)
    {
        _wire = wire;
        _maxBytes = maxBytes;
        _failed = failed;
        _sent = sent;
        _onSent = OnSent;
    }

    /// <summary>Bytes that wait or are being sent.</summary>
    public long QueuedBytes => Volatile.Read(ref _appended) - Volatile.Read(ref _done);

    /// <summary>The stream's bytes that have been given to the system, so that the peer may have seen them.</summary>
    public long HandedOver => Volatile.Read(ref _handedOver);

    /// <summary>
    /// Puts a whole frame into the queue; <paramref name="end"/> is set to where it ends in the stream before it can leave.
    /// </summary>
    /// <param name="alone">True when nobody else is likely to send soon: the frame leaves at once.</param>
    /// <param name="batch">A pump that this thread will certainly work on soon: the frame leaves then.</param>
    public Queued Append(ReadOnlySpan<byte> frame, ref long end, bool alone, CallPump? batch = null)
    {
        bool schedule;
        lock (_lock)
        {
            if (_closed)
                return Queued.Closed;
            if (_appended - _done + frame.Length > _maxBytes)
                return Queued.Full;
            end = _appended + frame.Length;
            Volatile.Write(ref _appended, end);
            Copy(frame);
            if (_sending)
                return Queued.Ok;
            if (_scheduled)
            {
                if (_full.Count == 0 && _last.Used < EnoughBytes)
                    return Queued.Ok;
                schedule = false;
            }
            else
            {
                var pump = batch ?? CallPump.Current;
                if (pump is not null && (pump == batch || pump.HasMore))
                {
                    _scheduled = true;
                    pump.Defer(this);
                    return Queued.Ok;
                }
                _scheduled = schedule = !alone && pump is null;
            }
        }
        if (schedule)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        else
            Flush();
        return Queued.Ok;
    }

    /// <summary>Completes when nothing waits to be sent, or the queue is closed.</summary>
    public Task WhenEmpty()
    {
        lock (_lock)
        {
            if (_closed || !_sending && _last.Used == 0 && _full.Count == 0)
                return Task.CompletedTask;
            return (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>Sends what waits, unless somebody does so already.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            _scheduled = false;
            if (_sending || _closed || _last.Used == 0 && _full.Count == 0)
                return;
            _sending = true;
        }
        SendAll();
    }

    /// <summary>Ends the queue: nothing can be appended and nothing more is handed over afterwards.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            _empty?.TrySetResult();
            while (_full.TryDequeue(out var segment))
                ArrayPool<byte>.Shared.Return(segment.Bytes!);
            if (_last.Bytes is { } last)
                ArrayPool<byte>.Shared.Return(last);
            if (_spare is not null)
                ArrayPool<byte>.Shared.Return(_spare);
            _last = default;
            _spare = null;
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (Interlocked.Exchange(ref _resume, 0) != 0)
            SendAll();
        else
            Flush();
    }

    private void Copy(ReadOnlySpan<byte> frame)
    {
        while (true)
        {
            if (_last.Bytes is null)
            {
                _last.Bytes = _spare ?? ArrayPool<byte>.Shared.Rent(SegmentBytes);
                _spare = null;
            }
            var part = Math.Min(frame.Length, _last.Bytes.Length - _last.Used);
            frame[..part].CopyTo(_last.Bytes.AsSpan(_last.Used));
            _last.Used += part;
            if (part == frame.Length)
                return;
            frame = frame[part..];
            _full.Enqueue(_last);
            _last = default;
        }
    }

    /// <summary>The bare loop; _sending is set, and stays so while a send is pending or another thread is to go on.</summary>
    private void SendAll()
    {
        try
        {
            for (var turns = 0; turns < SendsInTurn; turns++)
            {
                if (!Next())
                    return;
                var sending = _wire.SendAsync(_current.Bytes.AsMemory(0, _current.Used), CancellationToken.None).ConfigureAwait(false).GetAwaiter();
                if (!sending.IsCompleted)
                {
                    _pending = sending;
                    sending.UnsafeOnCompleted(_onSent);
                    return;
                }
                sending.GetResult();
                Done();
            }
        }
        catch (Exception e)
        {
            _failed(e);
            return;
        }
        Volatile.Write(ref _resume, 1);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void OnSent()
    {
        try
        {
            _pending.GetResult();
            Done();
        }
        catch (Exception e)
        {
            _failed(e);
            return;
        }
        SendAll();
    }

    private bool Next()
    {
        lock (_lock)
        {
            if (_closed || !_full.TryDequeue(out _current) && _last.Used == 0)
            {
                _sending = false;
                _empty?.TrySetResult();
                _empty = null;
                return false;
            }
            if (_current.Bytes is null)
            {
                _current = _last;
                _last = default;
            }
            Volatile.Write(ref _handedOver, _handedOver + _current.Used);
            return true;
        }
    }

    private void Done()
    {
        _sent(_current.Used);
        lock (_lock)
        {
            Volatile.Write(ref _done, _done + _current.Used);
            if (_spare is null && !_closed)
                _spare = _current.Bytes;
            else
                ArrayPool<byte>.Shared.Return(_current.Bytes!);
            _current = default;
        }
    }

    private struct Segment
    {
        public byte[]? Bytes;
        public int Used;
    }
}
