namespace PushSystem.TestSupport;

/// <summary>Waits that end with the event or fail with the phase's name. The limit only guards against a hang.</summary>
public static class Waiting
{
    /// <summary>Guard against a hang, not a measure of speed.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Awaits <paramref name="task"/> or throws <see cref="TimeoutException"/> naming <paramref name="phase"/>.</summary>
    public static async Task<T> For<T>(Task<T> task, string phase)
    {
        await For((Task)task, phase);
        return await task;
    }

    /// <inheritdoc cref="For{T}"/>
    public static async Task For(Task task, string phase)
    {
        try
        {
            await task.WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"'{phase}' did not happen within {Limit.TotalSeconds:0} s");
        }
    }

    /// <summary>
    /// Waits until <paramref name="condition"/> holds, yielding in between: for states that raise no event, such as a counter
    /// of another thread.
    /// </summary>
    public static async Task Until(Func<bool> condition, string phase)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) > Limit)
                throw new TimeoutException($"'{phase}' did not happen within {Limit.TotalSeconds:0} s");
            await Task.Delay(2);
        }
    }
}
