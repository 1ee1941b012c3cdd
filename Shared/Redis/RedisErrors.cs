using StackExchange.Redis;

namespace PushSystem.Redis;

/// <summary>Tells "redis cannot now" from "this call is wrong", and whether the call may have been done. Pure.</summary>
internal static class RedisErrors
{
    /// <summary>
    /// Refusals that come before a command, or before the first write of a script, so that nothing was done. A script meets out of
    /// memory, read-only and too few replicas only at its first write; after that redis lets it finish.
    /// </summary>
    private static readonly string[] Refusals =
    [
        "OOM", "READONLY", "LOADING", "CLUSTERDOWN", "NOREPLICAS", "MASTERDOWN", "TRYAGAIN", "MOVED", "ASK", "BUSY", "MISCONF", "NOAUTH",
        "WRONGPASS",
    ];

    /// <summary>redis does not know a script by its hash.</summary>
    public static bool IsUnknownScript(Exception exception) =>
        exception is RedisServerException && Code(exception.Message) == "NOSCRIPT";

    /// <summary>A server that took itself for a master is none, or the slot moved: what is known of the servers is old.</summary>
    public static bool IsOldView(Exception exception) =>
        exception is RedisServerException && (Code(exception.Message) is "READONLY" or "MOVED" or "CLUSTERDOWN" || IsUnreachable(exception.Message));

    /// <summary>The exception for the caller, or null when the call itself was wrong (an error in a script, keys of different slots).</summary>
    public static RedisUnavailableException? Unavailable(string name, Exception exception) => exception switch
    {
        RedisServerException refusal when IsUnreachable(refusal.Message) || Refusals.Contains(Code(refusal.Message)) =>
            new RedisUnavailableException($"redis refused '{name}': {refusal.Message}", isUndone: true, refusal),
        RedisServerException or RedisCommandException => null,
        RedisConnectionException connection => new RedisUnavailableException(
            $"redis was not reached for '{name}': {connection.Message}", IsUnsent(connection), connection),
        ObjectDisposedException disposed => new RedisUnavailableException($"the connection was closed before '{name}'", isUndone: true, disposed),
        _ => new RedisUnavailableException($"redis did not answer '{name}': {exception.Message}", isUndone: false, exception),
    };

    // The library answers so when a slot moved to a server that it has no connection to.
    private static bool IsUnreachable(string message) => message.StartsWith("Endpoint ", StringComparison.Ordinal);

    private static bool IsUnsent(RedisConnectionException exception) =>
        exception.FailureType is ConnectionFailureType.UnableToResolvePhysicalConnection
        && exception.CommandStatus != CommandStatus.Sent;

    /// <summary>First word of an error; redis before version 7 wraps what a script met: "ERR Error running script (…): @user_script:1: -OOM …".</summary>
    private static string Code(string message)
    {
        if (message.StartsWith("ERR Error running script", StringComparison.Ordinal)
            && message.IndexOf(": -", StringComparison.Ordinal) is > 0 and var inner)
        {
            message = message[(inner + 3)..];
        }
        var end = message.IndexOf(' ');
        return end < 0 ? message : message[..end];
    }
}
