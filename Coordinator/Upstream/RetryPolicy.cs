namespace PushSystem.Coordinator.Upstream;

/// <summary>Pauses between attempts: doubled each time up to a cap, the later half of each at random. Pure but for the randomness.</summary>
internal sealed class RetryPolicy(TimeSpan first, TimeSpan cap)
{
    /// <summary>The pause after the given number of failures, from 1.</summary>
    public TimeSpan PauseAfter(int failures)
    {
        var doublings = Math.Clamp(failures - 1, 0, 30);
        var full = Math.Min(first.TotalMilliseconds * (1L << doublings), cap.TotalMilliseconds);
        return TimeSpan.FromMilliseconds((full / 2) + (Random.Shared.NextDouble() * full / 2));
    }
}
