using Microsoft.Extensions.Logging;

namespace PushSystem.Saver;

internal static partial class SaverLog
{
    [LoggerMessage(4301, LogLevel.Information, "Schema script {Version} ({Name}) applied to the database, {Statements} statements")]
    public static partial void ScriptApplied(ILogger logger, int version, string name, int statements);

    [LoggerMessage(4302, LogLevel.Warning, "Schema script {Version} ({Name}) was left half applied; it goes on with statement {Statement}")]
    public static partial void ScriptResumed(ILogger logger, int version, string name, int statement);

    [LoggerMessage(4303, LogLevel.Information, "The stores over {Server} are open, schema {Version}")]
    public static partial void ClusterStoreOpened(ILogger logger, string server, int version);

    [LoggerMessage(4304, LogLevel.Information, "The stores over the database are closed")]
    public static partial void ClusterStoreClosed(ILogger logger);

    [LoggerMessage(4311, LogLevel.Warning, "The database does not answer: {Reason}")]
    public static partial void DatabaseAway(ILogger logger, string reason);

    [LoggerMessage(4312, LogLevel.Information, "The database answers again after {Failures} failed calls")]
    public static partial void DatabaseBack(ILogger logger, long failures);

    [LoggerMessage(4313, LogLevel.Error, "The database refused a statement of {Store}")]
    public static partial void StatementRefused(ILogger logger, string store, Exception exception);

    [LoggerMessage(4314, LogLevel.Critical, "The group commit of {Store} ended unexpectedly; every later write of it is refused")]
    public static partial void GroupCommitEnded(ILogger logger, string store, Exception exception);

    [LoggerMessage(4321, LogLevel.Warning, "The read copy of the broadcast log of {App} could not be used; the database is read: {Reason}")]
    public static partial void CopyUnusable(ILogger logger, string app, string reason);

    [LoggerMessage(4322, LogLevel.Information, "The read copy of the broadcast log of {App} was at version {Old}, the database at {New}: it is written again")]
    public static partial void CopyRepaired(ILogger logger, string app, long old, long @new);

    [LoggerMessage(4323, LogLevel.Warning, "Acknowledgements of {Entries} broadcasts could not be counted")]
    public static partial void AcksUncounted(ILogger logger, int entries, Exception exception);

    [LoggerMessage(4324, LogLevel.Warning, "Comparing the read copies of broadcast logs with the database failed and will be tried again")]
    public static partial void ComparisonFailed(ILogger logger, Exception exception);

    [LoggerMessage(4331, LogLevel.Warning, "A round of removing expired rows from the database failed and will be tried again")]
    public static partial void DatabaseSweepFailed(ILogger logger, Exception exception);
}
