using PushSystem.Contracts;

namespace PushSystem.Room;

/// <summary>
/// Calls to other components, each with a deadline: a peer that hangs never holds up the flow that asked. Any thread; nothing needs
/// disposal. No answer in time, and a call that its peer gave up, are <see cref="StoreUnavailableException"/>: the outcome of a write
/// is unknown then.
/// </summary>
internal sealed class StoreCalls(RoomContext room)
{
    /// <summary>Whether the same call may succeed later: the store is away, or nobody there owns the work at the moment.</summary>
    public static bool MayPass(Exception exception) => exception is StoreUnavailableException or FencedException;

    public async Task<T> AskAsync<T>(Func<CancellationToken, ValueTask<T>> call)
    {
        var cut = CancellationTokenSource.CreateLinkedTokenSource(room.Stopping);
        var limit = room.Options.StoreCallTimeout;
        Task<T>? task = null;
        try
        {
            var answer = call(cut.Token);
            // A store in this process has often answered already: that needs no timer.
            if (answer.IsCompleted)
                return await answer;
            task = answer.AsTask();
            return await task.WaitAsync(limit, room.Time, room.Stopping);
        }
        catch (TimeoutException exception)
        {
            throw new StoreUnavailableException($"no answer within {limit.TotalSeconds:0.###} s", exception);
        }
        catch (OperationCanceledException exception) when (!room.Stopping.IsCancellationRequested)
        {
            throw new StoreUnavailableException("the call was given up", exception);
        }
        finally
        {
            if (task is { IsCompleted: false })
                Abandon(task, cut);
            else
                cut.Dispose();
        }
    }

    // Nobody waits for it any more, and what it answers in the end is of no use; its failure is no unobserved one.
    private static void Abandon(Task task, CancellationTokenSource cut)
    {
        _ = cut.CancelAsync();
        _ = task.ContinueWith(static (late, state) =>
        {
            _ = late.Exception;
            ((CancellationTokenSource)state!).Dispose();
        }, cut, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    public Task TellAsync(Func<CancellationToken, ValueTask> call) => AskAsync(async cancellationToken =>
    {
        await call(cancellationToken);
        return true;
    });
}
