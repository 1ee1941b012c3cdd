namespace PushSystem.Center;

/// <summary>Waits that end. Stateless.</summary>
internal static class Deadlines
{
    /// <summary>The call's result, or <see cref="TimeoutException"/>; the call itself goes on then and its failure is nobody's concern.</summary>
    public static ValueTask<T> WithinAsync<T>(this ValueTask<T> call, TimeSpan timeout, TimeProvider time) =>
        call.IsCompleted ? call : WaitAsync(call.AsTask(), timeout, time);

    private static async ValueTask<T> WaitAsync<T>(Task<T> call, TimeSpan timeout, TimeProvider time)
    {
        try
        {
            return await call.WaitAsync(timeout, time);
        }
        catch (TimeoutException) when (!call.IsCompleted)
        {
            _ = call.ContinueWith(
                static ended => _ = ended.Exception, CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw;
        }
    }
}
