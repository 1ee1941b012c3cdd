using Microsoft.Extensions.Logging;
using PushSystem.Center.Delivery;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>What all parts work with. Immutable, any thread.</summary>
internal sealed record MulticastParts(
    IMulticasts Multicasts, IPeers Peers, RangeSender Sender, DeliveryQueue Delivery, SemaphoreSlim Slots, CenterOptions Options,
    TimeProvider Time, ILogger Logger);

/// <summary>
/// One part of a multicast, worked off range by range from its cursor. The cursor is committed about every second and at the end; what
/// lies between is recognised by the mailboxes if it is done again.
/// Owns its counts; used by one task; nothing to dispose.
/// </summary>
internal sealed class SubtaskRun(Subtask subtask, long token, MulticastRun run, MulticastParts parts)
{
    private static readonly TaskState[] Unfinished = [TaskState.Queued, TaskState.Running, TaskState.Paused];
    private static readonly TimeSpan CrowdedWait = TimeSpan.FromMilliseconds(10);
    private const int MostCrowdedWaits = 100;

    private readonly TimeProvider _time = parts.Time;
    private readonly CenterOptions _options = parts.Options;
    private int _committed = subtask.Cursor;
    private int _cursor = subtask.Cursor;
    private long _committedAt = parts.Time.GetTimestamp();
    private (long Accepted, long Refused, long Online) _counts;
    private TimeSpan _retry = parts.Options.RetryDelay;

    public Subtask Subtask => subtask;

    public MulticastRun Run => run;

    private bool IsOwner => parts.Peers.Self == token;

    /// <summary>
    /// Works until the part is done or it is not this process's turn any more. False: it is not done and should be given back. Never
    /// throws.
    /// </summary>
    public async Task<bool> RunAsync(CancellationToken stopping)
    {
        try
        {
            await WorkAsync(stopping);
            if (_cursor > _committed && IsOwner)
                await CommitAsync();
            return _committed == subtask.Users.Count;
        }
        catch (FencedException)
        {
            // Nobody's loss: the new owner goes on at the committed cursor. It may even be this process, when a commit's answer was lost.
            CenterLog.SubtaskFenced(parts.Logger, subtask.Task.App, subtask.Task.Id, subtask.Part);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            await CommitLastAsync();
        }
        catch (Exception exception)
        {
            CenterLog.SubtaskFailed(parts.Logger, exception, subtask.Task.App, subtask.Task.Id, subtask.Part, _cursor, TimeSpan.Zero);
        }
        return false;
    }

    private async ValueTask WorkAsync(CancellationToken stopping)
    {
        while (_cursor < subtask.Users.Count)
        {
            stopping.ThrowIfCancellationRequested();
            if (!IsOwner || !run.IsOpen)
                return;
            try
            {
                if (run.IsExpired)
                {
                    run.Record = await parts.Multicasts.MoveAsync(subtask.Task.App, subtask.Task.Id, Unfinished, TaskState.Done, stopping);
                    return;
                }
                if (_time.GetElapsedTime(_committedAt) >= _options.PollInterval && _cursor > _committed)
                    await CommitAsync();
                else if (!await StepAsync(stopping))
                    continue;
                _retry = _options.RetryDelay;
            }
            catch (Exception exception) when (exception is not FencedException && !stopping.IsCancellationRequested)
            {
                CenterLog.SubtaskFailed(parts.Logger, exception, subtask.Task.App, subtask.Task.Id, subtask.Part, _cursor, _retry);
                await BackOffAsync(stopping);
            }
        }
        // The last commit decides whether the part is done, so it is asked for until it answers.
        while (_cursor > _committed && IsOwner)
        {
            try
            {
                await CommitAsync();
            }
            catch (Exception exception) when (exception is not FencedException && !stopping.IsCancellationRequested)
            {
                CenterLog.SubtaskFailed(parts.Logger, exception, subtask.Task.App, subtask.Task.Id, subtask.Part, _cursor, _retry);
                await BackOffAsync(stopping);
            }
        }
    }

    /// <summary>Sends to the next range; false when it had to wait instead.</summary>
    private async ValueTask<bool> StepAsync(CancellationToken stopping)
    {
        var to = RangeSender.EndOf(_cursor, subtask.Users.Count);
        if (run.TryTake(to - _cursor) is var wait && wait > TimeSpan.Zero)
        {
            // In slices, so that a pause, another rate or the loss of the part is noticed.
            if (_cursor > _committed && wait > _options.PollInterval)
                await CommitAsync();
            await Task.Delay(wait < _options.PollInterval ? wait : _options.PollInterval, _time, stopping);
            return false;
        }
        await parts.Slots.WaitAsync(stopping);
        try
        {
            return await SendPaidAsync(to, stopping);
        }
        finally
        {
            parts.Slots.Release();
        }
    }

    // The range is paid for: it is tried until it is sent, or until the part is not this process's any more.
    private async ValueTask<bool> SendPaidAsync(int to, CancellationToken stopping)
    {
        while (true)
        {
            for (var waits = 0; parts.Delivery.IsCrowded && waits < MostCrowdedWaits; waits++)
                await Task.Delay(CrowdedWait, _time, stopping);
            if (!IsOwner || !run.IsOpen || run.IsExpired)
                return false;
            try
            {
                run.Payload ??= await parts.Multicasts.PayloadAsync(subtask.Task.App, subtask.Task.Id, stopping);
                if (run.Payload is not { } payload)
                {
                    run.Record = null;
                    return false;
                }
                if (await parts.Sender.SendAsync(subtask, payload, _cursor, to, stopping) is { } sent)
                {
                    _counts = (_counts.Accepted + sent.Accepted, _counts.Refused + sent.Refused, _counts.Online + sent.Online);
                    _cursor = to;
                    return true;
                }
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.SubtaskFailed(parts.Logger, exception, subtask.Task.App, subtask.Task.Id, subtask.Part, _cursor, _retry);
            }
            await BackOffAsync(stopping);
        }
    }

    private async ValueTask BackOffAsync(CancellationToken stopping)
    {
        await Task.Delay(_retry, _time, stopping);
        _retry = _retry * 2 < _options.MaxRetryDelay ? _retry * 2 : _options.MaxRetryDelay;
    }

    // Not cancelled: a commit that is under way decides what is done again.
    private async ValueTask CommitAsync()
    {
        var (to, counts) = (_cursor, _counts);
        run.Record = await parts.Multicasts.CommitAsync(
            subtask, token, _committed, to, counts.Accepted, counts.Refused, counts.Online, CancellationToken.None);
        _counts = default;
        _committed = to;
        _committedAt = _time.GetTimestamp();
    }

    private async ValueTask CommitLastAsync()
    {
        try
        {
            if (_cursor > _committed && IsOwner)
                await CommitAsync();
        }
        catch (Exception exception)
        {
            CenterLog.SubtaskFailed(parts.Logger, exception, subtask.Task.App, subtask.Task.Id, subtask.Part, _cursor, TimeSpan.Zero);
        }
    }
}
