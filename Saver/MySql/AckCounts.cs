using PushSystem.Contracts;

namespace PushSystem.Saver.MySql;

/// <summary>
/// How many users acknowledged each broadcast since the last flush. Any thread counts, without waiting; one loop adds the counts to the
/// database. They are statistics: those of a flush whose outcome is unknown are not added again. Owned and disposed by the broadcast log.
/// </summary>
internal sealed class AckCounts : IAsyncDisposable
{
    // Different numbers that are counted at the same time; beyond them acknowledgements stay uncounted.
    private const int MaxPoints = 200_000;
    private const int EntriesPerStatement = 500;

    private const string AddCounts =
        "UPDATE broadcasts SET acked = acked + @users WHERE app = @app AND state <> 4 AND expires_at > @now AND seq IN ({0})";

    private readonly SqlLink _link;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _flushing = new(1);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;
    // Per log: at which number how many users begin, and behind which they end.
    private Dictionary<(string App, uint Epoch), SortedDictionary<long, long>> _counts = [];
    private int _points;

    public AckCounts(SqlLink link, TimeProvider clock)
    {
        _link = link;
        _clock = clock;
        _loop = Task.Run(RunAsync);
    }

    public void Add(string app, uint epoch, long after, long to, int users)
    {
        if (to <= after || users <= 0)
            return;
        lock (_lock)
        {
            if (_points >= MaxPoints)
            {
                _link.Metrics.AcksDropped.Add(users);
                return;
            }
            if (!_counts.TryGetValue((app, epoch), out var points))
                _counts.Add((app, epoch), points = []);
            AddLocked(points, after + 1, users);
            AddLocked(points, to + 1, -users);
        }
    }

    /// <summary>Adds what was counted to the database. <paramref name="view"/> gives the log that the numbers are of.</summary>
    public async Task FlushAsync(Func<string, LogView?> view)
    {
        await _flushing.WaitAsync();
        try
        {
            Dictionary<(string App, uint Epoch), SortedDictionary<long, long>> counts;
            lock (_lock)
            {
                (counts, _counts, _points) = (_counts, [], 0);
            }
            foreach (var ((app, epoch), points) in counts.OrderBy(pair => pair.Key.App, StringComparer.Ordinal))
                await FlushAsync(app, epoch, points, view(app));
        }
        finally
        {
            _flushing.Release();
        }
    }

    /// <summary>Where the loop gets the logs from; set once, before the first count.</summary>
    public Func<string, LogView?> Views { get; set; } = _ => null;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        await FlushAsync(Views);
        _stopping.Dispose();
        _flushing.Dispose();
    }

    private void AddLocked(SortedDictionary<long, long> points, long at, long users)
    {
        if (!points.TryAdd(at, users))
            points[at] += users;
        else
            _points++;
    }

    private async Task FlushAsync(string app, uint epoch, SortedDictionary<long, long> points, LogView? view)
    {
        if (view is null || view.State.Epoch != epoch)
            return;
        var perEntry = new List<(long Seq, long Users)>();
        long users = 0;
        var numbers = points.Keys.ToArray();
        for (var i = 0; i + 1 < numbers.Length; i++)
        {
            users += points[numbers[i]];
            if (users == 0)
                continue;
            for (var seq = Math.Max(numbers[i], view.State.FirstSeq); seq < Math.Min(numbers[i + 1], view.State.Top + 1); seq++)
                perEntry.Add((seq, users));
        }
        if (perEntry.Count == 0)
            return;
        try
        {
            await _link.WriteAsync(BroadcastSql.Store, session => WriteAsync(session, app, perEntry), CancellationToken.None);
        }
        catch (Exception exception) when (exception is StoreUnavailableException or InvalidOperationException)
        {
            _link.Metrics.AcksDropped.Add(perEntry.Sum(entry => entry.Users));
            SaverLog.AcksUncounted(_link.Logger, perEntry.Count, exception);
        }
    }

    private async Task<bool> WriteAsync(SqlSession session, string app, List<(long Seq, long Users)> perEntry)
    {
        var now = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        // Neighbours mostly have the same count.
        foreach (var group in perEntry.GroupBy(entry => entry.Users, entry => entry.Seq))
        {
            foreach (var chunk in group.Chunk(EntriesPerStatement))
            {
                var (names, values) = SqlRows.List(chunk, ("users", group.Key), ("app", SqlSession.Key(app)), ("now", now));
                await session.RunAsync(string.Format(null, AddCounts, names), values);
            }
        }
        return true;
    }

    private async Task RunAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(_link.Options.AckFlushInterval, TimeProvider.System, _stopping.Token);
                await FlushAsync(Views);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
        }
    }
}
