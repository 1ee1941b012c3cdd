using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Hosting;

namespace PushSystem.Center.Auth;

/// <summary>
/// Holds each app to its requests per second; a burst of one second's worth is allowed. One bucket per app, so that the table
/// is as small as the app directory.
/// </summary>
internal sealed class RequestLimiter(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, TokenBucket> _buckets = new(StringComparer.Ordinal);

    /// <summary>Counts a request; throws the problem to answer with when there were too many.</summary>
    public void Take(AppRecord app)
    {
        var rate = app.Limits.RequestsPerSecond;
        if (rate <= 0)
            return;
        var bucket = _buckets.GetOrAdd(app.Id, static (_, clock) => new TokenBucket(clock), time);
        if (!bucket.TryTake(rate, rate, out var retryAfter))
            throw Problems.TooManyRequests(rate, retryAfter);
    }
}
