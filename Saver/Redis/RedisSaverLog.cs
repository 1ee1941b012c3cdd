using Microsoft.Extensions.Logging;

namespace PushSystem.Saver.Redis;

internal static partial class RedisSaverLog
{
    [LoggerMessage(4210, LogLevel.Debug, "Partition {Partition} taken with fence {Fence}: epoch {Epoch}, number {Jseq}")]
    public static partial void Taken(ILogger logger, int partition, long fence, uint epoch, long jseq);

    [LoggerMessage(4211, LogLevel.Information, "Partition {Partition} is new")]
    public static partial void PartitionCreated(ILogger logger, int partition);

    [LoggerMessage(4212, LogLevel.Warning, "Partition {Partition} begins epoch {Epoch}: {Reason}; its mailboxes are installed again from what has landed")]
    public static partial void EpochBegun(ILogger logger, int partition, uint epoch, string reason);

    [LoggerMessage(4213, LogLevel.Debug, "Partition {Partition}: a batch was refused ({Code}); the partition is taken again")]
    public static partial void BatchRefused(ILogger logger, int partition, long code);

    [LoggerMessage(4214, LogLevel.Error, "Partition {Partition}: a batch failed; what it held was answered as unavailable")]
    public static partial void BatchFailed(ILogger logger, int partition, Exception exception);

    [LoggerMessage(4215, LogLevel.Critical, "The loop of the {Loop} ended unexpectedly; what it served is unavailable")]
    public static partial void LoopEnded(ILogger logger, string loop, Exception exception);

    [LoggerMessage(4216, LogLevel.Error, "Mailbox {Key}: the state counts {Counted} messages, the list in redis has {Found}; the missing ones are told as loss")]
    public static partial void ListDiffers(ILogger logger, string key, int counted, int found);

    [LoggerMessage(4217, LogLevel.Warning, "Mailbox {Key}: the client is at {ClientSeq} of epoch {Epoch}, the store at {Top}; a new epoch begins")]
    public static partial void ClientAhead(ILogger logger, string key, uint epoch, long clientSeq, long top);

    [LoggerMessage(4218, LogLevel.Warning, "Mailbox {Key}: message {Seq} was set aside after {Attempts} deliveries")]
    public static partial void MessageParked(ILogger logger, string key, long seq, int attempts);

    [LoggerMessage(4219, LogLevel.Information, "Partition {Partition} is filled: every mailbox is of epoch {Epoch}")]
    public static partial void Filled(ILogger logger, int partition, uint epoch);

    [LoggerMessage(4220, LogLevel.Debug, "Partition {Partition}: filling stopped and will be tried again")]
    public static partial void FillFailed(ILogger logger, int partition, Exception exception);

    [LoggerMessage(4221, LogLevel.Warning, "Partition {Partition}: {Items} items that a lost redis had were landed out of memory: {Outcome}")]
    public static partial void MemoryLanded(ILogger logger, int partition, int items, string outcome);

    [LoggerMessage(4222, LogLevel.Error, "The landing tier does not answer; stored messages are still accepted, durable ones are not")]
    public static partial void LandingFailed(ILogger logger, Exception exception);

    [LoggerMessage(4223, LogLevel.Information, "The landing tier works again after {Failures} failures")]
    public static partial void LandingWorksAgain(ILogger logger, int failures);

    [LoggerMessage(4224, LogLevel.Warning, "The landing tier refused a transaction of {Mailboxes} mailboxes; it is tried again in parts")]
    public static partial void LandingRefused(ILogger logger, int mailboxes, Exception exception);

    [LoggerMessage(4225, LogLevel.Error, "Mailbox {Key}: the landing tier refuses the row of message {Seq}; it was parked in mailbox_rejected")]
    public static partial void RowRejected(ILogger logger, string key, long seq, Exception exception);

    [LoggerMessage(4226, LogLevel.Warning, "Partition {Partition}: a mailbox was landed row by row because of: {Reason}")]
    public static partial void LandedRowByRow(ILogger logger, int partition, string reason);

    [LoggerMessage(4227, LogLevel.Debug, "A partition could not be collected for landing")]
    public static partial void CollectFailed(ILogger logger, Exception exception);

    [LoggerMessage(4228, LogLevel.Information, "Partition {Partition} is taken because nobody lands or fills it")]
    public static partial void Adopted(ILogger logger, int partition);

    [LoggerMessage(4229, LogLevel.Warning, "A round of the keeper failed and will be tried again")]
    public static partial void KeeperFailed(ILogger logger, Exception exception);

    [LoggerMessage(4230, LogLevel.Warning, "Partition {Partition}: the landing tier has fence {Fence} and number {Jseq} of epoch {Epoch}: {Outcome}")]
    public static partial void LandingOutcomeSeen(ILogger logger, int partition, long fence, long jseq, uint epoch, string outcome);

    [LoggerMessage(4231, LogLevel.Warning, "Stopped with {Rows} rows that have not landed; the next owner lands them from the journal")]
    public static partial void StoppedUnlanded(ILogger logger, long rows);
}
