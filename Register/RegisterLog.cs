using Microsoft.Extensions.Logging;

namespace PushSystem.Register;

/// <summary>Messages of the registry.</summary>
internal static partial class RegisterLog
{
    [LoggerMessage(3001, LogLevel.Error, "Script {Script} failed")]
    public static partial void ScriptFailed(ILogger logger, string script, Exception exception);

    [LoggerMessage(3002, LogLevel.Warning, "A value of {Length} bytes in redis is no registry entry and is taken for absent")]
    public static partial void Garbage(ILogger logger, int length);

    [LoggerMessage(3003, LogLevel.Information, "Removed {Entries} entries of dead rooms from a part")]
    public static partial void Swept(ILogger logger, int entries);

    [LoggerMessage(3004, LogLevel.Error, "Entries of dead rooms are not removed any more")]
    public static partial void SweepingEnded(ILogger logger, Exception exception);

    [LoggerMessage(3005, LogLevel.Warning,
        "redis keeps a hash of {Fields} fields of {Length} bytes (part {Part}) as {Encoding}, which takes several times the memory: set "
        + "hash-max-listpack-entries and hash-max-listpack-value to at least 512")]
    public static partial void BucketsAreLarge(ILogger logger, int part, int fields, int length, string encoding);

    [LoggerMessage(3006, LogLevel.Warning, "Part {Part} of the registry stands on other data than before: rooms bind again")]
    public static partial void EpochChanged(ILogger logger, int part);
}
