using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>
/// One broadcast at the head of its app's queue, from its turn to its end. Every step reads what the log says, brings the rooms to it
/// and tells the log how far they are; a step that fails can be repeated.
/// Owns what is known of the rooms; used by its app's loop only; nothing to dispose.
/// </summary>
internal sealed class TaskRun(TaskKey key, Fence fence, BroadcastEngineParts parts)
{
    private static readonly TaskState[] Unfinished = [TaskState.Queued, TaskState.Running, TaskState.Paused];
    private static readonly TimeSpan HeldInterval = TimeSpan.FromMinutes(1);

    private readonly IBroadcastLog _log = parts.Log;
    private readonly CenterOptions _options = parts.Options;
    private readonly Dictionary<(string Room, long Incarnation), RoomFanout> _rooms = [];
    private BroadcastRecord? _record;
    private ReadOnlyMemory<byte>? _payload;
    private TimeSpan _interval = parts.Options.FirstProgressInterval;
    private long? _offline;
    private (long Targeted, long Sent) _before;
    private (long Targeted, long Sent, long Offline)? _reported;
    private bool _isTakenUp;

    /// <summary>The record has changed in the log: it is read anew in the next step.</summary>
    public void Invalidate() => _record = null;

    /// <summary>Goes one step; returns how long to wait for the next one, or null when the task has ended.</summary>
    public async ValueTask<TimeSpan?> StepAsync(CancellationToken cancellationToken)
    {
        _record ??= await _log.FindAsync(key.App, key.Epoch, key.Seq, cancellationToken);
        switch (_record)
        {
            case null:
                return null;
            case { State: TaskState.Done or TaskState.Cancelled }:
                return await EndAsync(_record, cancellationToken);
            case var record when record.ExpiresAt > 0 && record.ExpiresAt <= Now():
                return await MoveAsync(Unfinished, TaskState.Done, cancellationToken);
            case { State: TaskState.Queued }:
                return await MoveAsync([TaskState.Queued], TaskState.Running, cancellationToken);
            case { State: TaskState.Paused }:
                return await HoldAsync(_record, cancellationToken);
            default:
                return await RunAsync(_record, cancellationToken);
        }
    }

    private long Now() => parts.Time.GetUtcNow().ToUnixTimeMilliseconds();

    private async ValueTask<TimeSpan?> MoveAsync(TaskState[] from, TaskState next, CancellationToken cancellationToken)
    {
        _record = await _log.MoveAsync(key.App, key.Epoch, key.Seq, from, next, fence, cancellationToken);
        // Whatever it is now, even if somebody else moved it elsewhere, is for the next step.
        return _record is null ? null : TimeSpan.Zero;
    }

    private async ValueTask<TimeSpan?> RunAsync(BroadcastRecord record, CancellationToken cancellationToken)
    {
        _payload ??= await _log.PayloadAsync(key.App, key.Epoch, key.Seq, cancellationToken);
        if (_payload is null)
            return await MoveAsync(Unfinished, TaskState.Done, cancellationToken);
        if (_offline is null)
            await MeasureAsync(record, cancellationToken);
        var (isAnswered, isComplete) = await BringRoomsToAsync(FanoutAction.Run, record, cancellationToken);
        if (isAnswered)
            TakeUp(record);
        await ReportAsync(cancellationToken);
        if (isComplete)
            return await MoveAsync([TaskState.Running], TaskState.Done, cancellationToken);
        var wait = _interval;
        _interval = _interval * 2 < _options.ProgressInterval ? _interval * 2 : _options.ProgressInterval;
        return wait;
    }

    private async ValueTask<TimeSpan?> HoldAsync(BroadcastRecord record, CancellationToken cancellationToken)
    {
        var (_, isComplete) = await BringRoomsToAsync(FanoutAction.Pause, record, cancellationToken);
        await ReportAsync(cancellationToken);
        _interval = _options.FirstProgressInterval;
        if (!isComplete)
            return _options.ProgressInterval;
        var left = record.ExpiresAt > 0 ? TimeSpan.FromMilliseconds(record.ExpiresAt - Now()) : HeldInterval;
        return left < HeldInterval ? left : HeldInterval;
    }

    private async ValueTask<TimeSpan?> EndAsync(BroadcastRecord record, CancellationToken cancellationToken)
    {
        if (await BringRoomsToAsync(FanoutAction.Cancel, record, cancellationToken) is not { Finished: true })
            return _options.ProgressInterval;
        await ReportAsync(cancellationToken);
        var (targeted, sent) = Progress();
        CenterLog.TaskEnded(parts.Logger, key.App, key.Epoch, key.Seq, record.State, targeted, sent);
        return null;
    }

    /// <summary>
    /// Sends each living room what it needs to know: whether all have answered, and for a run, whether they have finished too. A room
    /// that fails is asked again in the next step.
    /// </summary>
    private async ValueTask<(bool Answered, bool Finished)> BringRoomsToAsync(FanoutAction action, BroadcastRecord record, CancellationToken cancellationToken)
    {
        var living = parts.Rooms.Rooms;
        foreach (var (id, fanout) in _rooms)
        {
            if (!living.Any(room => room.Id == id.Room && room.Incarnation == id.Incarnation))
                fanout.Leave();
        }
        var open = new List<(RoomInfo Info, RoomFanout Fanout)>();
        foreach (var room in living)
        {
            if (!_rooms.TryGetValue((room.Id, room.Incarnation), out var fanout))
                _rooms.Add((room.Id, room.Incarnation), fanout = new RoomFanout());
            if (Concerns(fanout, action, record.State))
                open.Add((room, fanout));
        }
        var shares = RateShare.Split(record.RatePerSecond, [.. open.Select(room => Math.Max(room.Fanout.Targeted, room.Info.Connections))]);
        var calls = open.Select((room, i) => TellAsync(room.Info, room.Fanout, action, shares[i], record, cancellationToken).AsTask());
        var answers = await Task.WhenAll(calls);
        var isAnswered = answers.All(answered => answered);
        return (isAnswered, isAnswered && (action != FanoutAction.Run || open.All(room => room.Fanout.Finished)));
    }

    // A pause and a cancellation concern also rooms that have finished: users who come later must not get it from them. A task that
    // is done concerns only rooms that were told to run it and have not finished, which happens when it expired.
    private static bool Concerns(RoomFanout fanout, FanoutAction action, TaskState state) => action switch
    {
        FanoutAction.Run => fanout.Told != action || !fanout.Finished,
        FanoutAction.Cancel when state == TaskState.Done => fanout.Told is FanoutAction.Run or FanoutAction.Pause && !fanout.Finished,
        _ => fanout.Told != action,
    };

    private async ValueTask<bool> TellAsync(
        RoomInfo room, RoomFanout fanout, FanoutAction action, int rate, BroadcastRecord record, CancellationToken cancellationToken)
    {
        if (parts.Rooms.Find(room.Id, room.Incarnation) is not { } node)
            return false;
        try
        {
            var isKnown = fanout.Told == action && fanout.Rate == rate;
            var progress = await CallAsync(node, Command(isKnown ? FanoutAction.Query : action, rate, record), cancellationToken);
            // A room that was asked and knows nothing has lost it, by a restart that kept its incarnation or by its own bounds.
            if (isKnown && !progress.Known)
                progress = await CallAsync(node, Command(action, rate, record), cancellationToken);
            fanout.Take(progress);
            fanout.Told = action;
            fanout.Rate = rate;
            return true;
        }
        catch (Exception exception) when (exception is not FencedException && !cancellationToken.IsCancellationRequested)
        {
            CenterLog.FanoutFailed(parts.Logger, exception, room.Id, key.App, key.Epoch, key.Seq);
            return false;
        }
    }

    // A process that stood still must not tell rooms what was true before; the log's fence would be too late for that.
    private ValueTask<FanoutProgress> CallAsync(IRoomNode node, FanoutCommand command, CancellationToken cancellationToken) =>
        parts.Owns(fence)
            ? node.FanoutAsync(command, cancellationToken).WithinAsync(_options.RoomTimeout, parts.Time)
            : throw new FencedException("This process does not count as alive any more.");

    private FanoutCommand Command(FanoutAction action, int rate, BroadcastRecord record) =>
        new(key.App, key.Epoch, key.Seq, action, rate, record.Kind, record.ExpiresAt, action == FanoutAction.Run ? _payload.GetValueOrDefault() : default);

    // Who was offline when it began is measured once. A task taken up from another process keeps what that one measured.
    private async ValueTask MeasureAsync(BroadcastRecord record, CancellationToken cancellationToken)
    {
        if (record.Targeted > 0 || record.Sent > 0 || record.Offline > 0)
        {
            _offline = record.Offline;
            _reported = (record.Targeted, record.Sent, record.Offline);
            return;
        }
        var online = await OnlineAsync(cancellationToken);
        var known = await _log.KnownUsersAsync(key.App, cancellationToken);
        _isTakenUp = true;
        _offline = Math.Max(0, known - online);
        CenterLog.TaskStarted(parts.Logger, key.App, key.Epoch, key.Seq, online, _offline.Value);
    }

    // A registry that is away must not hold a broadcast; the rooms' own numbers are near enough.
    private async ValueTask<long> OnlineAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await parts.Registry.CountAsync(key.App, cancellationToken);
        }
        catch (StoreUnavailableException exception)
        {
            CenterLog.CountFailed(parts.Logger, exception, key.App, key.Epoch, key.Seq);
            return parts.Rooms.Rooms.Sum(room => (long)room.Connections);
        }
    }

    // Rooms that restarted with the engine count from zero; what the record says was reached before then is added once.
    private void TakeUp(BroadcastRecord record)
    {
        if (_isTakenUp)
            return;
        _isTakenUp = true;
        var missing = Math.Max(0, record.Sent - Progress().Sent);
        _before = (missing, missing);
    }

    private (long Targeted, long Sent) Progress()
    {
        var (targeted, sent) = _before;
        foreach (var fanout in _rooms.Values)
        {
            targeted += fanout.Targeted;
            sent += fanout.Sent;
        }
        return (targeted, sent);
    }

    private async ValueTask ReportAsync(CancellationToken cancellationToken)
    {
        // What an earlier owner reported stands until all rooms have told how far they are.
        if (_offline is not { } offline || !_isTakenUp)
            return;
        var (targeted, sent) = Progress();
        if (_reported == (targeted, sent, offline))
            return;
        await _log.ReportAsync(key.App, key.Epoch, key.Seq, targeted, sent, offline, fence, cancellationToken);
        _reported = (targeted, sent, offline);
    }
}

/// <summary>Names a task; in order of the app's log.</summary>
internal readonly record struct TaskKey(string App, uint Epoch, long Seq) : IComparable<TaskKey>
{
    /// <summary>The one behind it.</summary>
    public TaskKey Next() => this with { Seq = Seq + 1 };

    public int CompareTo(TaskKey other) => Epoch != other.Epoch ? Epoch.CompareTo(other.Epoch) : Seq.CompareTo(other.Seq);
}
