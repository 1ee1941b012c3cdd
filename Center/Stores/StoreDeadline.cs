using PushSystem.Contracts;

namespace PushSystem.Center.Stores;

/// <summary>
/// Bounds how long anybody waits for a store. A call that takes longer goes on by itself, but its outcome is not known here any more.
/// Stateless; any thread.
/// </summary>
internal sealed class StoreDeadline(CenterOptions options, TimeProvider time)
{
    /// <summary>The call's result; <see cref="StoreUnavailableException"/> when it takes longer than the options allow.</summary>
    public ValueTask<T> Bound<T>(ValueTask<T> call) => call.IsCompleted ? call : WaitAsync(call);

    /// <inheritdoc cref="Bound{T}"/>
    public async ValueTask Bound(ValueTask call)
    {
        if (call.IsCompleted)
            await call;
        else
            await WaitAsync(ResultAsync(call));
    }

    private static async ValueTask<bool> ResultAsync(ValueTask call)
    {
        await call;
        return true;
    }

    private async ValueTask<T> WaitAsync<T>(ValueTask<T> call)
    {
        try
        {
            return await call.WithinAsync(options.StoreTimeout, time);
        }
        catch (TimeoutException exception)
        {
            throw new StoreUnavailableException($"The store did not answer within {options.StoreTimeout.TotalSeconds:0.###} s.", exception);
        }
    }
}
