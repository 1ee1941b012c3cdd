using PushSystem.Contracts;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver.Landing;

/// <summary>What all partitions of a process have to land: the lag. Thread-safe.</summary>
internal sealed class LandingTotals
{
    private long _rows;
    private long _bytes;

    /// <summary>Items that wait, those in an unread journal not counted.</summary>
    public long Rows => Interlocked.Read(ref _rows);

    /// <summary>Bytes of copies in memory.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Add(long rows, long bytes)
    {
        Interlocked.Add(ref _rows, rows);
        Interlocked.Add(ref _bytes, bytes);
    }
}

/// <summary>
/// What one partition has to land, in the order of its journal, and who waits for it. The partition's loop adds and collects, the lander
/// removes; every member takes the lock. Owned by the partition's writer. A copy of each message stays in memory until it has landed, as
/// long as there is room, so that even a redis that lost everything costs nothing that its owner still knows.
/// </summary>
internal sealed class PartitionLanding(ClusterSaverOptions options, LandingTotals totals, TimeProvider time)
{
    private readonly Lock _lock = new();
    // Entries that a former owner left (read page by page) come before those of this one.
    private readonly Queue<Entry> _left = new();
    private readonly Queue<Entry> _own = new();
    private readonly List<Waiter> _waiters = [];
    private long _unreadFrom;
    private long _unreadTo = -1;
    private long _ownedSince;

    /// <summary>When the oldest item was journaled (or found), Unix milliseconds; null when there is none.</summary>
    public long? OldestAt
    {
        get
        {
            lock (_lock)
                return _left.TryPeek(out var left) ? left.At : _unreadTo >= _unreadFrom ? _ownedSince : _own.TryPeek(out var own) ? own.At : null;
        }
    }

    /// <summary>Journal numbers of a former owner that were not read yet; null when there are none.</summary>
    public (long From, long To)? Unread
    {
        get
        {
            lock (_lock)
                return _unreadTo >= _unreadFrom ? (_unreadFrom, _unreadTo) : null;
        }
    }

    public bool HasWaiters
    {
        get
        {
            lock (_lock)
                return _waiters.Count > 0;
        }
    }

    /// <summary>A batch was applied.</summary>
    public void Add(long jseq, IReadOnlyList<LandingItem> items)
    {
        lock (_lock)
        {
            if (totals.Bytes > options.LandingBytes)
            {
                foreach (var item in items)
                    item.Forget();
            }
            Enqueue(_own, new Entry(jseq, items, Now));
        }
    }

    /// <summary>Another owner may have changed everything: what is in the journal up to <paramref name="jseq"/> is read from redis.</summary>
    public void Reread(long jseq)
    {
        lock (_lock)
        {
            Clear(_left);
            Clear(_own);
            (_unreadFrom, _unreadTo, _ownedSince) = (0, jseq, Now);
        }
    }

    /// <summary>A new epoch begins with nothing to land; who waits for something older is told that it may be lost.</summary>
    public void Forget(uint epoch)
    {
        List<Waiter> lost;
        lock (_lock)
        {
            Clear(_left);
            Clear(_own);
            (_unreadFrom, _unreadTo) = (0, -1);
            lost = _waiters.FindAll(waiter => waiter.Epoch != epoch);
            _waiters.RemoveAll(waiter => waiter.Epoch != epoch);
        }
        foreach (var waiter in lost)
            waiter.Fail("redis lost data before the message had landed");
    }

    /// <summary>A page of the former owner's journal; <paramref name="through"/>: read up to there.</summary>
    public void AddLeft(IEnumerable<(long Jseq, IReadOnlyList<LandingItem> Items)> entries, long through)
    {
        List<Waiter> done = [];
        lock (_lock)
        {
            foreach (var (jseq, items) in entries)
                Enqueue(_left, new Entry(jseq, items, _ownedSince));
            _unreadFrom = through + 1;
            if (_unreadTo < _unreadFrom)
            {
                // What is not in the journal has landed.
                var first = _left.TryPeek(out var left) ? left.Jseq : _own.TryPeek(out var own) ? own.Jseq : long.MaxValue;
                done = _waiters.FindAll(waiter => waiter.Jseq < first);
                _waiters.RemoveAll(waiter => waiter.Jseq < first);
            }
        }
        foreach (var waiter in done)
            waiter.Complete();
    }

    /// <summary>The oldest items, about <paramref name="most"/> of them, whole journal entries only; and up to where they reach.</summary>
    public (List<LandingItem> Items, long UpTo) Peek(int most)
    {
        lock (_lock)
        {
            var items = new List<LandingItem>();
            long upTo = -1;
            foreach (var entry in _left)
            {
                if (items.Count > 0 && items.Count + entry.Items.Count > most)
                    return (items, upTo);
                items.AddRange(entry.Items);
                upTo = entry.Jseq;
            }
            if (_unreadTo >= _unreadFrom)
                return (items, upTo);
            foreach (var entry in _own)
            {
                if (items.Count > 0 && items.Count + entry.Items.Count > most)
                    return (items, upTo);
                items.AddRange(entry.Items);
                upTo = entry.Jseq;
            }
            return (items, upTo);
        }
    }

    /// <summary>True when it is time: somebody waits, or the oldest item has lingered.</summary>
    public bool IsDue(long now)
    {
        lock (_lock)
        {
            if (_left.Count > 0 || _unreadTo >= _unreadFrom)
                return true;
            if (!_own.TryPeek(out var oldest))
                return false;
            return _waiters.Count > 0 || now - oldest.At >= (long)options.LandingLinger.TotalMilliseconds;
        }
    }

    /// <summary>Completes when everything up to <paramref name="jseq"/> has landed.</summary>
    public Task WaitAsync(uint epoch, long jseq, IReadOnlyList<LandingItem> items)
    {
        lock (_lock)
        {
            var waits = _unreadTo >= _unreadFrom || _left.Count > 0 || (_own.TryPeek(out var oldest) && oldest.Jseq <= jseq);
            if (!waits)
                return Task.CompletedTask;
            var waiter = new Waiter(epoch, jseq, items);
            _waiters.Add(waiter);
            return waiter.Task;
        }
    }

    /// <summary>Everything up to <paramref name="jseq"/> of this epoch is in the landing tier.</summary>
    public void Landed(uint epoch, long jseq)
    {
        List<Waiter> done;
        lock (_lock)
        {
            Remove(_left, jseq);
            Remove(_own, jseq);
            done = _waiters.FindAll(waiter => waiter.Epoch == epoch && waiter.Jseq <= jseq);
            if (done.Count > 0)
                _waiters.RemoveAll(waiter => waiter.Epoch == epoch && waiter.Jseq <= jseq);
        }
        foreach (var waiter in done)
            waiter.Complete();
    }

    /// <summary>Nobody will hear any more.</summary>
    public void Stop()
    {
        List<Waiter> waiters;
        lock (_lock)
        {
            Clear(_left);
            Clear(_own);
            waiters = [.. _waiters];
            _waiters.Clear();
        }
        foreach (var waiter in waiters)
            waiter.Fail("the store is stopping");
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    private void Enqueue(Queue<Entry> queue, Entry entry)
    {
        queue.Enqueue(entry);
        totals.Add(entry.Items.Count, entry.Cost);
    }

    private void Remove(Queue<Entry> queue, long jseq)
    {
        while (queue.TryPeek(out var entry) && entry.Jseq <= jseq)
            totals.Add(-entry.Items.Count, -queue.Dequeue().Cost);
    }

    private void Clear(Queue<Entry> queue) => Remove(queue, long.MaxValue);

    private sealed record Entry(long Jseq, IReadOnlyList<LandingItem> Items, long At)
    {
        // Fixed when it was counted, because copies may be given up later.
        public long Cost { get; } = Items.Sum(item => (long)item.Cost);
    }

    private sealed class Waiter(uint epoch, long jseq, IReadOnlyList<LandingItem> items)
    {
        private readonly TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public uint Epoch => epoch;
        public long Jseq => jseq;
        public Task Task => _source.Task;

        public void Complete()
        {
            if (items.Any(item => item.IsRejected))
                Fail("the landing tier refuses a message of this request; it lies in the table of rejected rows and is delivered from redis");
            else
                _source.TrySetResult();
        }

        public void Fail(string reason) => _source.TrySetException(new StoreUnavailableException($"Not durable: {reason}."));
    }
}
