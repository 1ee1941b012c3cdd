using PushSystem.Client.Connections;
using PushSystem.Protocol;

namespace PushSystem.Client.Delivery;

/// <summary>One acknowledgement that is ready to be written.</summary>
internal readonly record struct ReadyAck(ClientSession Session, AckMessage Message);

/// <summary>
/// Collects what was processed on one connection and says when to acknowledge it: after so many messages or so long after the
/// first, whichever comes first. A position is in the store before its ACK is given out.
/// Owns the timer; the pump adds, the connection's send loop takes; disposed with the connection.
/// </summary>
internal sealed class AckBatcher : IDisposable
{
    private static readonly TimeSpan StoreRetry = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly List<(ClientSession Session, StreamKind Stream)> _due = [];
    private readonly ClientContext _context;
    private readonly Action _wake;
    private readonly ITimer _timer;
    private readonly int _maxCount;
    private readonly TimeSpan _maxDelay;
    private int _count;
    private bool _armed, _flushNow, _disposed;

    /// <summary><paramref name="wake"/> makes the send loop call <see cref="Take"/>.</summary>
    public AckBatcher(SessionSettings settings, ClientContext context, Action wake)
    {
        _context = context;
        _wake = wake;
        _maxCount = Math.Max(1, settings.AckCount);
        _maxDelay = TimeSpan.FromMilliseconds(settings.AckDelayMilliseconds);
        _timer = context.Time.CreateTimer(
            static state => ((AckBatcher)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A message of the stream was processed, or came again and has to be acknowledged again.</summary>
    public void Processed(ClientSession session, StreamKind stream)
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            if (!_due.Contains((session, stream)))
                _due.Add((session, stream));
            _count++;
            if (_count >= _maxCount || _maxDelay == TimeSpan.Zero)
                _flushNow = true;
            else if (!_armed)
                ArmLocked(_maxDelay);
            if (!_flushNow)
                return;
        }
        _wake();
    }

    /// <summary>Acknowledges at the next opportunity, whatever the policy.</summary>
    public void FlushNow()
    {
        lock (_lock)
            _flushNow = true;
        _wake();
    }

    /// <summary>
    /// The acknowledgements that are due, or all with <paramref name="force"/>; their positions are in the store. Empty when none is due or
    /// the store cannot be written: then they stay due and are tried again.
    /// </summary>
    public List<ReadyAck> Take(bool force)
    {
        var ready = new List<ReadyAck>();
        lock (_lock)
        {
            if ((!_flushNow && !force) || _due.Count == 0)
            {
                _flushNow = false;
                return ready;
            }
            // The positions are read before the store is flushed, so that none of them can be newer than the file.
            foreach (var (session, stream) in _due)
            {
                if (session.Status != SessionStatus.Active)
                    continue;
                var position = session.Binding.Tracker(stream).Position;
                ready.Add(new ReadyAck(session, new AckMessage(session.Index, stream, AckMessage.TagOf(position.Epoch), position.Seq)));
            }
            _due.Clear();
            _count = 0;
            _flushNow = false;
            if (_armed)
            {
                _armed = false;
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
        if (_context.TryFlushStore(_context.Options.FlushStoreToDisk))
        {
            ClientMetrics.Acks.Add(ready.Count);
            return ready;
        }
        Postpone(ready);
        return [];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
            _disposed = true;
        _timer.Dispose();
    }

    private void Postpone(List<ReadyAck> ready)
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            foreach (var ack in ready)
            {
                if (!_due.Contains((ack.Session, ack.Message.Stream)))
                    _due.Add((ack.Session, ack.Message.Stream));
            }
            ArmLocked(StoreRetry);
        }
    }

    private void ArmLocked(TimeSpan delay)
    {
        _armed = true;
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            if (!_armed || _disposed)
                return;
            _armed = false;
            _flushNow = true;
        }
        _wake();
    }
}
