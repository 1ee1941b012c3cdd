using System.ComponentModel.DataAnnotations;
using PushSystem.Contracts;

namespace PushSystem.Center;

/// <summary>Settings of the center.</summary>
public sealed class CenterOptions : IValidatableObject
{
    /// <summary>SHA-256 of the admin key's text, 64 hexadecimal digits. Default "": no admin key is accepted.</summary>
    public string AdminKeyHash { get; set; } = "";

    /// <summary>Level of messages that name none. Default durable.</summary>
    public Durability DefaultLevel { get; set; } = Durability.Durable;

    /// <summary>Longest body of a batch, bytes. Default 32 MiB.</summary>
    [Range(64 * 1024, 256 * 1024 * 1024)]
    public int MaxBatchBodyBytes { get; set; } = 32 * 1024 * 1024;

    /// <summary>Most bytes of request bodies held at once because they did not arrive in one piece. Default 256 MiB.</summary>
    [Range(1024 * 1024, long.MaxValue)]
    public long BufferedBodyBytes { get; set; } = 256L * 1024 * 1024;

    /// <summary>Most bytes of stored messages that wait for a session lookup. Beyond, rooms learn of them by the position check. Default 64 MiB.</summary>
    [Range(64 * 1024, long.MaxValue)]
    public long DeliveryQueueBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>Most bytes of stored messages that wait for one room. Beyond, the room learns of them by the position check. Default 16 MiB.</summary>
    [Range(64 * 1024, long.MaxValue)]
    public long RoomQueueBytes { get; set; } = 16L * 1024 * 1024;

    /// <summary>Most messages handed to a room, or looked up, in one call. Default 512.</summary>
    [Range(1, 10_000)]
    public int DeliveryBatch { get; set; } = 512;

    /// <summary>First wait before a running broadcast's progress is asked again; doubles up to <see cref="ProgressInterval"/>. Default 20 ms.</summary>
    public TimeSpan FirstProgressInterval { get; set; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Longest wait before a running broadcast's progress is asked again. Default 200 ms.</summary>
    public TimeSpan ProgressInterval { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>First wait after a task failed; doubles up to <see cref="MaxRetryDelay"/>. Default 100 ms.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest wait after a task failed. Default 5 s.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest wait for an answer of a store; the outcome of a write is unknown then. Default 5 s.</summary>
    public TimeSpan StoreTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest wait for an answer of a room. Default 5 s.</summary>
    public TimeSpan RoomTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Calls to a room that fail one after the other before it is left alone for a while. Default 3.</summary>
    [Range(1, 1_000)]
    public int RoomFailures { get; set; } = 3;

    /// <summary>How long a failing room is left alone; doubles with each further failure up to ten times as long. Default 1 s.</summary>
    public TimeSpan RoomPause { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the stores are asked for tasks while any is unfinished. Default 1 s.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a center waits for the one that comes first for an app before it tries to claim the app itself. Default 3 s.</summary>
    public TimeSpan ClaimDelay { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Longest body of a multicast, bytes. Default 64 MiB.</summary>
    [Range(64 * 1024, 1024L * 1024 * 1024)]
    public long MaxMulticastBodyBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>Parts of multicasts that this process works on at once; those held back by a rate do not count. Default 8.</summary>
    [Range(1, 256)]
    public int MulticastParts { get; set; } = 8;

    /// <summary>Parts of multicasts that this process holds at most, about 100 KiB each. Default 64.</summary>
    [Range(1, 4_096)]
    public int MulticastHeldParts { get; set; } = 64;

    /// <summary>How often the stores are asked for tasks that this process has missed. Default 30 s.</summary>
    public TimeSpan RefreshInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Most broadcasts of one app that are queued, running or paused. Default 1,000.</summary>
    [Range(1, 1_000_000)]
    public int MaxUnfinishedBroadcasts { get; set; } = 1_000;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (AdminKeyHash.Length != 0 && (AdminKeyHash.Length != 64 || !AdminKeyHash.All(char.IsAsciiHexDigit)))
            yield return new ValidationResult("must be empty or 64 hexadecimal digits", [nameof(AdminKeyHash)]);
        if (!Enum.IsDefined(DefaultLevel))
            yield return new ValidationResult("must be Transient, Stored or Durable", [nameof(DefaultLevel)]);
        if (FirstProgressInterval <= TimeSpan.Zero || FirstProgressInterval > ProgressInterval)
            yield return new ValidationResult($"must be above 0 and at most {nameof(ProgressInterval)}", [nameof(FirstProgressInterval)]);
        if (ProgressInterval > TimeSpan.FromMinutes(1))
            yield return new ValidationResult("must be at most 1 minute", [nameof(ProgressInterval)]);
        if (RetryDelay <= TimeSpan.Zero || RetryDelay > MaxRetryDelay)
            yield return new ValidationResult($"must be above 0 and at most {nameof(MaxRetryDelay)}", [nameof(RetryDelay)]);
        if (MaxRetryDelay > TimeSpan.FromMinutes(10))
            yield return new ValidationResult("must be at most 10 minutes", [nameof(MaxRetryDelay)]);
        if (StoreTimeout <= TimeSpan.Zero || StoreTimeout > TimeSpan.FromMinutes(10))
            yield return new ValidationResult("must be above 0 and at most 10 minutes", [nameof(StoreTimeout)]);
        if (RoomTimeout <= TimeSpan.Zero || RoomTimeout > TimeSpan.FromMinutes(10))
            yield return new ValidationResult("must be above 0 and at most 10 minutes", [nameof(RoomTimeout)]);
        if (RoomPause <= TimeSpan.Zero || RoomPause > TimeSpan.FromMinutes(10))
            yield return new ValidationResult("must be above 0 and at most 10 minutes", [nameof(RoomPause)]);
        if (PollInterval <= TimeSpan.Zero || PollInterval > RefreshInterval)
            yield return new ValidationResult($"must be above 0 and at most {nameof(RefreshInterval)}", [nameof(PollInterval)]);
        if (ClaimDelay < TimeSpan.Zero || ClaimDelay > TimeSpan.FromHours(1))
            yield return new ValidationResult("must be 0 to 1 hour", [nameof(ClaimDelay)]);
        if (MulticastHeldParts < MulticastParts)
            yield return new ValidationResult($"must be at least {nameof(MulticastParts)}", [nameof(MulticastHeldParts)]);
        if (RefreshInterval < TimeSpan.FromSeconds(1) || RefreshInterval > TimeSpan.FromHours(1))
            yield return new ValidationResult("must be 1 second to 1 hour", [nameof(RefreshInterval)]);
    }
}
