using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// What the API does to multicasts: every change goes to the store first, and all centers are told then. Stateless; any thread.
/// </summary>
internal sealed class MulticastTasks(
    [FromKeyedServices(BoundedStores.Key)] IMulticasts multicasts, MulticastWorker worker, TimeProvider time)
{
    private static readonly TaskState[] Pausable = [TaskState.Queued, TaskState.Running];
    private static readonly TaskState[] Resumable = [TaskState.Paused];
    private static readonly TaskState[] Open = [TaskState.Queued, TaskState.Running, TaskState.Paused];

    /// <summary>One multicast. Throws the problem to answer with.</summary>
    public async ValueTask<MulticastRecord> FindAsync(string app, string id, CancellationToken cancellationToken)
    {
        if (!MulticastId.TryParse(id, out var number) || await multicasts.FindAsync(app, number, cancellationToken) is not { } record)
            throw Problems.NoSuchMulticast(id);
        // Nobody may be working on one whose time is over.
        if (Open.Contains(record.State) && record.ExpiresAt > 0 && record.ExpiresAt <= time.GetUtcNow().ToUnixTimeMilliseconds())
            record = await multicasts.MoveAsync(app, number, Open, TaskState.Done, CancellationToken.None) ?? throw Problems.NoSuchMulticast(id);
        return record;
    }

    /// <summary>A new one was stored.</summary>
    public void Tell(string app) => worker.Tell(app);

    public ValueTask<MulticastRecord> PauseAsync(string app, string id, CancellationToken cancellationToken) =>
        MoveAsync(app, id, Pausable, TaskState.Paused, "paused", cancellationToken);

    public ValueTask<MulticastRecord> ResumeAsync(string app, string id, CancellationToken cancellationToken) =>
        MoveAsync(app, id, Resumable, null, "resumed", cancellationToken);

    public ValueTask<MulticastRecord> CancelAsync(string app, string id, CancellationToken cancellationToken) =>
        MoveAsync(app, id, Open, TaskState.Cancelled, "cancelled", cancellationToken);

    public async ValueTask<MulticastRecord> SetRateAsync(string app, string id, int rate, CancellationToken cancellationToken)
    {
        var record = await FindAsync(app, id, cancellationToken);
        Check(record, Open, "changed");
        record = await multicasts.SetRateAsync(app, record.Id, rate, CancellationToken.None) ?? throw Problems.NoSuchMulticast(id);
        worker.Tell(app);
        return record;
    }

    private async ValueTask<MulticastRecord> MoveAsync(
        string app, string id, TaskState[] from, TaskState? next, string action, CancellationToken cancellationToken)
    {
        var record = await FindAsync(app, id, cancellationToken);
        Check(record, from, action);
        var target = next ?? (record.StartedAt == 0 ? TaskState.Queued : TaskState.Running);
        record = await multicasts.MoveAsync(app, record.Id, from, target, CancellationToken.None) ?? throw Problems.NoSuchMulticast(id);
        worker.Tell(app);
        if (record.State != target)
            Check(record, from, action);
        return record;
    }

    private static void Check(MulticastRecord record, TaskState[] allowed, string action)
    {
        if (!allowed.Contains(record.State))
            throw Problems.WrongState("multicast", record.State, action, string.Join(", ", allowed.Select(TaskNames.Of)));
    }
}
