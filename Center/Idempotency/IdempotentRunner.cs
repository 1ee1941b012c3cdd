using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Idempotency;

/// <summary>An answer: status and body.</summary>
internal readonly record struct ApiAnswer(int Status, ReadOnlyMemory<byte> Body, bool IsReplayed = false);

/// <summary>
/// Runs requests that may be repeated at most once per key, for those whose change and key are not one commit. Answers of
/// success are kept for 24 hours; a refused request changed nothing and may be tried again under its key.
/// Owns the table of requests in flight, which is as small as their number; any thread may run; nothing to dispose.
/// </summary>
internal sealed class IdempotentRunner([FromKeyedServices(BoundedStores.Key)] IIdempotencyStore store, CenterMetrics metrics)
{
    private readonly ConcurrentDictionary<(string Scope, string Key), TaskCompletionSource> _inFlight = new();

    /// <summary>
    /// Answers with the kept answer or that of <paramref name="run"/>. A second request of the same key waits for the first. A null
    /// key always runs.
    /// </summary>
    public async ValueTask<ApiAnswer> RunAsync(
        string scope, string? key, ReadOnlyMemory<byte> fingerprint, Func<ValueTask<ApiAnswer>> run, CancellationToken cancellationToken)
    {
        if (key is null)
            return await run();
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        while (_inFlight.GetOrAdd((scope, key), mine) is var other && other != mine)
            await other.Task.WaitAsync(cancellationToken);
        try
        {
            if (await store.FindAsync(scope, key, cancellationToken) is { } kept)
                return Replay(kept, fingerprint);
            // From here on the caller's going away must not leave a change without its kept answer.
            var answer = await run();
            if (answer.Status is < 200 or >= 300)
                return answer;
            if (await store.KeepAsync(scope, key, new IdempotentAnswer(fingerprint, answer.Status, answer.Body), CancellationToken.None))
                return answer;
            // Another center was faster with the same key.
            return await store.FindAsync(scope, key, CancellationToken.None) is { } theirs ? Replay(theirs, fingerprint) : answer;
        }
        finally
        {
            _inFlight.TryRemove(KeyValuePair.Create((scope, key), mine));
            mine.SetResult();
        }
    }

    private ApiAnswer Replay(IdempotentAnswer kept, ReadOnlyMemory<byte> fingerprint)
    {
        if (!kept.Fingerprint.Span.SequenceEqual(fingerprint.Span))
            throw Problems.IdempotencyConflict();
        metrics.Replayed();
        return new ApiAnswer(kept.StatusCode, kept.Body, IsReplayed: true);
    }
}
