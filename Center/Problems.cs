using System.Text.Json;
using PushSystem.Contracts;
using PushSystem.Hosting.Problems;

namespace PushSystem.Center;

/// <summary>
/// Every problem that the center tells, in one place, so that slug, status and wording agree; docs/api.md lists them. Slugs are
/// only added to.
/// </summary>
internal static class Problems
{
    private static readonly TimeSpan RetrySoon = TimeSpan.FromSeconds(1);

    // Who calls
    public static ProblemException Unauthorized() =>
        new(new(401, "unauthorized", "Unauthorized", "A valid key is needed: Authorization: Bearer KEY."));

    public static ProblemException AppKeyNeeded() =>
        new(new(403, "app-key-needed", "App key needed", "This path acts for an app and takes an app's key, not the admin key."));

    public static ProblemException AdminKeyNeeded() =>
        new(new(403, "admin-key-needed", "Admin key needed", "This path takes the admin key."));

    public static ProblemException AppDisabled(string app) =>
        new(new(403, "app-disabled", "App disabled", $"The app {app} is disabled."));

    public static ProblemException TooManyRequests(int rate, TimeSpan retryAfter) =>
        new(new(429, "too-many-requests", "Too many requests", "The app sent more requests than its limit allows.")
        {
            Limit = $"{rate} requests per second",
            RetryAfter = retryAfter,
        });

    // The body
    public static ProblemException WrongContentType(string? contentType) =>
        new(new(415, "wrong-content-type", "Wrong content type", $"The body must be application/json in UTF-8, not {Shown(contentType)}."));

    public static ProblemException WrongContentEncoding(string encoding) =>
        new(new(415, "wrong-content-encoding", "Wrong content encoding", $"The body must not be encoded; this one says {Shown(encoding)}."));

    public static ProblemException BodyTooLarge(long limit) =>
        new(new(413, "body-too-large", "Body too large", "The body is longer than allowed here.") { Limit = $"at most {limit} bytes" });

    public static ProblemException BodiesOverloaded() =>
        new(new(503, "overloaded", "Overloaded", "Too many large bodies are being received. Nothing was changed.") { RetryAfter = RetrySoon });

    public static ProblemException Malformed(JsonException exception)
    {
        var message = exception.Message;
        var cut = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        if (cut > 0)
            message = message[..cut];
        return new(new(400, "malformed-json", "Malformed JSON",
            $"Line {exception.LineNumber.GetValueOrDefault() + 1}, byte {exception.BytePositionInLine.GetValueOrDefault() + 1}: {message}"));
    }

    public static ProblemException NotUtf8(int position) =>
        new(new(400, "malformed-json", "Malformed JSON", $"The body is not valid UTF-8 at byte {position + 1}."));

    public static ProblemException Missing(string field, string detail) =>
        new(new(400, "missing-field", "Missing field", detail) { Field = field });

    public static ProblemException Invalid(string field, string detail, string limit) =>
        new(new(400, "invalid-field", "Invalid field", detail) { Field = field, Limit = limit });

    public static ProblemException Unknown(string field, string known) =>
        new(new(400, "unknown-member", "Unknown member", $"{field} is not known here.") { Field = field, Limit = known });

    public static ProblemException Duplicate(string field) =>
        new(new(400, "duplicate-member", "Duplicate member", $"{field} is given twice.") { Field = field, Limit = "at most once" });

    public static ProblemException PayloadTooLarge(string field, long length, int limit) =>
        new(new(400, "payload-too-large", "Payload too large", $"The payload has {length} bytes.") { Field = field, Limit = $"at most {limit} bytes" });

    public static ProblemException LevelUnavailable(Durability level, IReadOnlySet<Durability> offered) =>
        new(new(400, "level-unavailable", "Level unavailable", $"This deployment does not offer the level {LevelNames.Of(level)}.")
        {
            Field = "level",
            Limit = string.Join(", ", offered.Append(Durability.Transient).Distinct().Order().Select(LevelNames.Of)),
        });

    // State
    public static ProblemException IdempotencyConflict() =>
        new(new(422, "idempotency-conflict", "Idempotency conflict",
            "This Idempotency-Key was used for another request within the last 24 hours. Nothing was changed.") { Field = "Idempotency-Key" });

    public static ProblemException Overloaded() =>
        new(new(503, "overloaded", "Overloaded", "The store's queue is full. Nothing was changed.") { RetryAfter = RetrySoon });

    public static ProblemException StoreUnavailable(bool isWrite) =>
        new(new(503, "store-unavailable", "Store unavailable", isWrite
            ? "The store did not answer, so whether this was done is not known. Repeat the request with the same Idempotency-Key: it is never done twice."
            : "The store did not answer.") { RetryAfter = RetrySoon });

    public static ProblemException NoSuchApp(string app) =>
        new(new(404, "no-such-app", "No such app", $"There is no app {Shown(app)}."));

    public static ProblemException AppExists(string app) =>
        new(new(409, "app-exists", "App exists", $"There is an app {app} already.") { Field = "id" });

    public static ProblemException ChangedMeanwhile(string app) =>
        new(new(409, "changed-meanwhile", "Changed meanwhile", $"The app {app} was changed by others at the same time, again and again. Nothing was changed.")
        {
            RetryAfter = RetrySoon,
        });

    public static ProblemException NoSuchKey(string key) =>
        new(new(404, "no-such-key", "No such key", $"The app has no key {Shown(key)}."));

    public static ProblemException TooManyKeys(string kind, int limit) =>
        new(new(409, "too-many-keys", "Too many keys", $"The app has {limit} {kind} already; delete one first.") { Limit = $"at most {limit}" });

    public static ProblemException NoTicketKey() =>
        new(new(409, "no-ticket-key", "No ticket key", "The app has no ticket key to sign with; an administrator can add one."));

    public static ProblemException NoWebhook() =>
        new(new(409, "no-webhook", "No webhook", "The app has no webhook, so there is no secret to renew."));

    public static ProblemException NoSuchMessage(string id) =>
        new(new(404, "no-such-message", "No such message", $"The user's mailbox knows no message {Shown(id)}; finished ones are forgotten after a while."));

    public static ProblemException NoSuchBroadcast(string id) =>
        new(new(404, "no-such-broadcast", "No such broadcast", $"There is no broadcast {Shown(id)}."));

    public static ProblemException NoSuchMulticast(string id) =>
        new(new(404, "no-such-multicast", "No such multicast", $"There is no multicast {Shown(id)}."));

    public static ProblemException WrongState(string task, TaskState state, string action, string allowed) =>
        new(new(409, "wrong-state", "Wrong state", $"The {task} is {TaskNames.Of(state)} and cannot be {action}.") { Limit = allowed });

    public static ProblemException TooManyBroadcasts(int limit) =>
        new(new(429, "too-many-broadcasts", "Too many broadcasts", "The app has too many broadcasts that are not finished.")
        {
            Limit = $"at most {limit} queued, running or paused",
            RetryAfter = TimeSpan.FromSeconds(10),
        });

    /// <summary>What a caller sent, bounded and without control characters, fit to be told back.</summary>
    private static string Shown(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return "empty";
        var shown = text.Length > 100 ? text[..100] + "…" : text;
        return shown.Any(char.IsControl) ? string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c)) : shown;
    }
}
