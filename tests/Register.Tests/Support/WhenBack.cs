using PushSystem.Contracts;
using PushSystem.TestSupport;

namespace PushSystem.Register.Tests.Support;

/// <summary>Repeats a call until the store serves.</summary>
internal static class WhenBack
{
    public static async Task<T> RunAsync<T>(Func<Task<T>> call)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (StoreUnavailableException) when (TimeProvider.System.GetElapsedTime(started) < Waiting.Limit)
            {
                await Task.Delay(20);
            }
        }
    }
}
