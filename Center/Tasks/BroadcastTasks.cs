using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>
/// What the API does to broadcasts: every change goes to the log first and to the engine then, which brings the rooms to it.
/// Owns one append lock per app; any thread; nothing to dispose.
/// </summary>
internal sealed class BroadcastTasks(
    [FromKeyedServices(BoundedStores.Key)] IBroadcastLog log, BroadcastEngine engine, CenterOptions options)
{
    private static readonly TaskState[] Pausable = [TaskState.Queued, TaskState.Running];
    private static readonly TaskState[] Resumable = [TaskState.Paused];
    private static readonly TaskState[] Open = [TaskState.Queued, TaskState.Running, TaskState.Paused];

    // The engine must learn of an app's tasks in the log's order, or it could begin a later one first.
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _appending = new(StringComparer.Ordinal);

    /// <summary>Appends a broadcast and puts it into the engine's queue. Throws the problem to answer with.</summary>
    public async ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft)
    {
        if (engine.Unfinished(draft.App) >= options.MaxUnfinishedBroadcasts)
            throw Problems.TooManyBroadcasts(options.MaxUnfinishedBroadcasts);
        var appending = _appending.GetOrAdd(draft.App, static _ => new SemaphoreSlim(1, 1));
        await appending.WaitAsync();
        try
        {
            // Not cancelled with its request: what was appended must reach the engine.
            var reply = await log.AppendAsync(draft, CancellationToken.None);
            if (reply is { Record: { State: not (TaskState.Done or TaskState.Cancelled) } record })
                engine.Put(record);
            return reply;
        }
        catch (StoreUnavailableException)
        {
            engine.Refresh();
            throw;
        }
        finally
        {
            appending.Release();
        }
    }

    /// <summary>One broadcast. Throws the problem to answer with.</summary>
    public async ValueTask<BroadcastRecord> FindAsync(string app, string id, CancellationToken cancellationToken)
    {
        if (!StreamId.TryParse(id, StreamId.Broadcast, out var position)
            || await log.FindAsync(app, position.Epoch, position.Seq, cancellationToken) is not { } record)
            throw Problems.NoSuchBroadcast(id);
        return record;
    }

    public ValueTask<BroadcastRecord> PauseAsync(string app, string id, CancellationToken cancellationToken) =>
        MoveAsync(app, id, Pausable, TaskState.Paused, "paused", cancellationToken);

    public ValueTask<BroadcastRecord> ResumeAsync(string app, string id, CancellationToken cancellationToken) =>
        MoveAsync(app, id, Resumable, null, "resumed", cancellationToken);

    public async ValueTask<BroadcastRecord> CancelAsync(string app, string id, CancellationToken cancellationToken)
    {
        var record = await MoveAsync(app, id, Open, TaskState.Cancelled, "cancelled", cancellationToken);
        if (record.StartedAt != 0)
            await engine.CancelInRoomsAsync(record);
        return record;
    }

    public async ValueTask<BroadcastRecord> SetRateAsync(string app, string id, int rate, CancellationToken cancellationToken)
    {
        var record = await FindAsync(app, id, cancellationToken);
        Check(record, Open, "changed");
        record = await log.SetRateAsync(app, record.Epoch, record.Seq, rate, CancellationToken.None) ?? throw Problems.NoSuchBroadcast(id);
        engine.Put(record);
        return record;
    }

    private async ValueTask<BroadcastRecord> MoveAsync(
        string app, string id, TaskState[] from, TaskState? next, string action, CancellationToken cancellationToken)
    {
        var record = await FindAsync(app, id, cancellationToken);
        Check(record, from, action);
        // A task that was held before it began waits for its turn again; one that had begun was at the head and goes on.
        var target = next ?? (record.StartedAt == 0 ? TaskState.Queued : TaskState.Running);
        record = await log.MoveAsync(app, record.Epoch, record.Seq, from, target, default, CancellationToken.None) ?? throw Problems.NoSuchBroadcast(id);
        engine.Put(record);
        if (record.State != target)
            Check(record, from, action);
        return record;
    }

    private static void Check(BroadcastRecord record, TaskState[] allowed, string action)
    {
        if (!allowed.Contains(record.State))
            throw Problems.WrongState("broadcast", record.State, action, string.Join(", ", allowed.Select(TaskNames.Of)));
    }
}
