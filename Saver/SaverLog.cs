using Microsoft.Extensions.Logging;

namespace PushSystem.Saver;

internal static partial class SaverLog
{
    [LoggerMessage(4001, LogLevel.Information, "Store {StoreId} opened in {Folder}: schema {Version}, {Apps} apps, {Messages} recent messages")]
    public static partial void StoreOpened(ILogger logger, string storeId, string folder, int version, int apps, int messages);

    [LoggerMessage(4002, LogLevel.Information, "Store {StoreId} closed")]
    public static partial void StoreClosed(ILogger logger, string storeId);

    [LoggerMessage(4003, LogLevel.Information, "Schema script {Version} applied")]
    public static partial void SchemaApplied(ILogger logger, int version);

    [LoggerMessage(4004, LogLevel.Warning, "Every stream begins a new epoch because StartNewEpochs is set; unset it before the next start")]
    public static partial void NewEpochsStarted(ILogger logger);

    [LoggerMessage(4101, LogLevel.Error, "A commit failed; its {Operations} writes were answered as unavailable and the store retries")]
    public static partial void CommitFailed(ILogger logger, int operations, Exception exception);

    [LoggerMessage(4102, LogLevel.Information, "The store works again after {Failures} failed commits")]
    public static partial void StoreRecovered(ILogger logger, long failures);

    [LoggerMessage(4103, LogLevel.Error, "A write failed alone and was taken out of its commit")]
    public static partial void OperationFailed(ILogger logger, Exception exception);

    [LoggerMessage(4104, LogLevel.Error, "The store could not be opened again")]
    public static partial void ReopenFailed(ILogger logger, Exception exception);

    [LoggerMessage(4105, LogLevel.Warning, "A checkpoint failed and will be tried again")]
    public static partial void CheckpointFailed(ILogger logger, Exception exception);

    [LoggerMessage(4106, LogLevel.Warning, "A round of removing expired rows failed and will be tried again")]
    public static partial void SweepFailed(ILogger logger, Exception exception);

    [LoggerMessage(4107, LogLevel.Critical, "The writing thread ended unexpectedly; every later write is refused")]
    public static partial void WriterEnded(ILogger logger, Exception exception);

    [LoggerMessage(4108, LogLevel.Warning, "The final checkpoint failed; the write-ahead log is replayed at the next start")]
    public static partial void FinalCheckpointFailed(ILogger logger, Exception exception);

    [LoggerMessage(4201, LogLevel.Warning, "Mailbox {Key}: the client is at {ClientSeq} of epoch {Epoch}, the store at {Top}; a new epoch begins")]
    public static partial void EpochChanged(ILogger logger, string key, uint epoch, long clientSeq, long top);

    [LoggerMessage(4202, LogLevel.Warning, "Mailbox {Key}: message {Seq} was set aside after {Attempts} deliveries")]
    public static partial void MessageParked(ILogger logger, string key, long seq, int attempts);

    [LoggerMessage(4203, LogLevel.Error, "Mailbox {Key}: no entry and no reason for the hole at {Seq}; it is told as overflow")]
    public static partial void UnexplainedHole(ILogger logger, string key, long seq);

    [LoggerMessage(4204, LogLevel.Warning, "Broadcast log of {App}: user {User} is at {ClientSeq}, the log ends at {Top}; the user is told about the loss")]
    public static partial void BroadcastPositionAhead(ILogger logger, string app, string user, long clientSeq, long top);
}
