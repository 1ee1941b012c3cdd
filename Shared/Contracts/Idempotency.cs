namespace PushSystem.Contracts;

/// <summary>
/// Answers kept for requests that are not stored together with what they change (component Saver). Appends of messages and
/// broadcasts carry their claim themselves, so that key and change are one commit. Thread-safe.
/// </summary>
public interface IIdempotencyStore
{
    /// <summary>Stands in the place of the app for requests of the administration. Not a valid app id, so it meets no app.</summary>
    const string AdminScope = "-admin";

    /// <summary>The stored answer of this app and key: null when there is none.</summary>
    ValueTask<IdempotentAnswer?> FindAsync(string app, string key, CancellationToken cancellationToken);

    /// <summary>Keeps an answer for 24 hours; false when there is one already.</summary>
    ValueTask<bool> KeepAsync(string app, string key, IdempotentAnswer answer, CancellationToken cancellationToken);
}

/// <summary>Fingerprint of the request, status code and body of the answer.</summary>
public sealed record IdempotentAnswer(ReadOnlyMemory<byte> Fingerprint, int StatusCode, ReadOnlyMemory<byte> Body);
