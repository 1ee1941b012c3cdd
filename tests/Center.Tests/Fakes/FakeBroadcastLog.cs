using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>A broadcast log in memory.</summary>
internal sealed class FakeBroadcastLog(TimeProvider time) : IBroadcastLog
{
    private readonly Lock _lock = new();
    private readonly List<(BroadcastRecord Record, byte[] Payload)> _log = [];
    private readonly Dictionary<(string App, string Key), (byte[] Fingerprint, long Seq)> _claims = [];

    /// <summary>Throws instead of answering while it returns an exception; gets the call's name.</summary>
    public Func<string, Exception?>? Fault { get; set; }

    /// <summary>Throws after the append has been stored: the outcome is unknown to the caller.</summary>
    public bool LosesAppendAnswers { get; set; }

    public long KnownUsers { get; set; }

    /// <summary>Where fences are looked up; null = every fence holds.</summary>
    public FakeClaims? Claims { get; set; }

    /// <summary>Runs before a fenced write is checked: where a test lets another center take over.</summary>
    public Action<string>? BeforeFence { get; set; }

    private readonly List<(string App, long Seq, TaskState State)> _moves = [];

    /// <summary>Every state that a task of the app was moved to, in order.</summary>
    public IReadOnlyList<(long Seq, TaskState State)> Moves(string app = CenterHost.App)
    {
        lock (_lock)
            return [.. _moves.Where(move => move.App == app).Select(move => (move.Seq, move.State))];
    }

    public BroadcastRecord Record(long seq, string app = CenterHost.App)
    {
        lock (_lock)
            return _log.Single(entry => entry.Record.App == app && entry.Record.Seq == seq).Record;
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _log.Count;
        }
    }

    /// <summary>Puts a record in as another process left it.</summary>
    public void Put(BroadcastRecord record, byte[] payload)
    {
        lock (_lock)
            _log.Add((record, payload));
    }

    public ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken)
    {
        Check("append");
        lock (_lock)
        {
            if (draft.Claim is { } claim && _claims.TryGetValue((draft.App, claim.Key), out var first))
            {
                return ValueTask.FromResult(claim.Fingerprint.Span.SequenceEqual(first.Fingerprint)
                    ? new BroadcastReply(WriteStatus.Replayed, _log.Single(entry => entry.Record.App == draft.App && entry.Record.Seq == first.Seq).Record)
                    : new BroadcastReply(WriteStatus.Conflict, null));
            }
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            var record = new BroadcastRecord
            {
                App = draft.App,
                Epoch = 1,
                Seq = _log.Count(entry => entry.Record.App == draft.App) + 1,
                State = TaskState.Queued,
                Kind = draft.Kind,
                PayloadBytes = draft.Payload.Length,
                RatePerSecond = draft.RatePerSecond,
                AcceptedAt = now,
                ExpiresAt = now + (long)(draft.TimeToLive ?? TimeSpan.FromDays(7)).TotalMilliseconds,
            };
            _log.Add((record, draft.Payload.ToArray()));
            if (draft.Claim is not null)
                _claims[(draft.App, draft.Claim.Key)] = (draft.Claim.Fingerprint.ToArray(), record.Seq);
            if (LosesAppendAnswers)
                throw new StoreUnavailableException("the answer got lost");
            return ValueTask.FromResult(new BroadcastReply(WriteStatus.Stored, record));
        }
    }

    public ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken)
    {
        Check("find");
        lock (_lock)
            return ValueTask.FromResult(Index(app, epoch, seq) is >= 0 and var i ? _log[i].Record : null);
    }

    public ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return ValueTask.FromResult<IReadOnlyList<BroadcastRecord>>(
            [
                .. _log.Select(entry => entry.Record).Where(record => record.App == app && (beforeSeq == 0 || record.Seq < beforeSeq))
                    .OrderByDescending(record => record.Seq).Take(limit),
            ]);
        }
    }

    public ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken)
    {
        Check("unfinished");
        lock (_lock)
        {
            return ValueTask.FromResult<IReadOnlyList<BroadcastRecord>>(
                [.. _log.Select(entry => entry.Record).Where(record => record.State is TaskState.Queued or TaskState.Running or TaskState.Paused)]);
        }
    }

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken)
    {
        Check("payload");
        lock (_lock)
            return ValueTask.FromResult<ReadOnlyMemory<byte>?>(Index(app, epoch, seq) is >= 0 and var i ? _log[i].Payload : null);
    }

    public ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken)
    {
        Check("move");
        CheckFence("move", fence);
        return Change(app, epoch, seq, record =>
        {
            if (!from.Contains(record.State))
                return record;
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            _moves.Add((app, seq, next));
            return record with
            {
                State = next,
                StartedAt = next == TaskState.Running && record.StartedAt == 0 ? now : record.StartedAt,
                FinishedAt = next is TaskState.Done or TaskState.Cancelled ? now : 0,
            };
        });
    }

    public ValueTask<BroadcastRecord?> SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken) =>
        Change(app, epoch, seq, record => record with { RatePerSecond = ratePerSecond });

    public async ValueTask ReportAsync(string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken)
    {
        Check("report");
        CheckFence("report", fence);
        await Change(app, epoch, seq, record => record with { Targeted = targeted, Sent = sent, Offline = offline });
    }

    public ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken)
    {
        Check("known");
        return ValueTask.FromResult(KnownUsers);
    }

    public ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken) => throw NotCenters();

    public ValueTask<ReadReply> ReadAsync(string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken) =>
        throw NotCenters();

    private ValueTask<BroadcastRecord?> Change(string app, uint epoch, long seq, Func<BroadcastRecord, BroadcastRecord> change)
    {
        lock (_lock)
        {
            if (Index(app, epoch, seq) is not (>= 0 and var i))
                return ValueTask.FromResult<BroadcastRecord?>(null);
            _log[i] = (change(_log[i].Record), _log[i].Payload);
            return ValueTask.FromResult<BroadcastRecord?>(_log[i].Record);
        }
    }

    private int Index(string app, uint epoch, long seq) =>
        _log.FindIndex(entry => entry.Record.App == app && entry.Record.Epoch == epoch && entry.Record.Seq == seq);

    private void CheckFence(string call, Fence fence)
    {
        if (!fence.IsSet)
            return;
        BeforeFence?.Invoke(call);
        Claims?.Check(fence);
    }

    private void Check(string call)
    {
        if (Fault?.Invoke(call) is { } exception)
            throw exception;
    }

    private static InvalidOperationException NotCenters() => new("the center has no business with this call");
}
