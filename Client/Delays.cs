namespace PushSystem.Client;

/// <summary>Waiting on the client's clock. Thread-safe: static.</summary>
internal static class Delays
{
    /// <summary>Waits at least <paramref name="delay"/>: timers count whole milliseconds, so it is rounded up.</summary>
    public static Task For(TimeSpan delay, TimeProvider time, CancellationToken cancellationToken) =>
        delay <= TimeSpan.Zero
            ? Task.CompletedTask
            : Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(delay.TotalMilliseconds)), time, cancellationToken);
}
