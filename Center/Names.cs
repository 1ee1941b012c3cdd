using PushSystem.Contracts;

namespace PushSystem.Center;

/// <summary>Levels as the API writes them.</summary>
internal static class LevelNames
{
    public const string All = "transient, stored or durable";

    public static string Of(Durability level) => level switch
    {
        Durability.Transient => "transient",
        Durability.Stored => "stored",
        _ => "durable",
    };
}

/// <summary>Task states as the API writes them.</summary>
internal static class TaskNames
{
    public static string Of(TaskState state) => state switch
    {
        TaskState.Queued => "queued",
        TaskState.Running => "running",
        TaskState.Paused => "paused",
        TaskState.Done => "done",
        _ => "cancelled",
    };
}

/// <summary>Message states as the API writes them.</summary>
internal static class MessageNames
{
    public static string Of(MessageState state) => state switch
    {
        MessageState.Pending => "pending",
        MessageState.Acked => "acked",
        MessageState.Expired => "expired",
        MessageState.Dropped => "dropped",
        MessageState.Parked => "parked",
        MessageState.Cancelled => "cancelled",
        _ => "unknown",
    };
}
