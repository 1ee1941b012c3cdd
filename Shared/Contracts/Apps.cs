using PushSystem.Protocol;

namespace PushSystem.Contracts;

/// <summary>
/// The apps (tenants), all in memory in every process that needs them. Reads never wait; thread-safe; what is returned is immutable.
/// </summary>
public interface IAppDirectory
{
    /// <summary>The app, or null.</summary>
    AppRecord? Find(string id);

    /// <summary>The app that one of its API keys' SHA-256 hashes belongs to, or null.</summary>
    AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash);

    /// <summary>All apps, ordered by id.</summary>
    IReadOnlyList<AppRecord> All { get; }

    /// <summary>
    /// Told after a change is visible here, whoever made it, with the app's id. Handlers are called one at a time, must not wait, and
    /// must not throw.
    /// </summary>
    event Action<string>? Changed;

    /// <summary>
    /// Stores an app durably if the stored revision is <paramref name="expectedRevision"/> (0 = it must not exist); returns it with
    /// its new revision, or null when the revision differs.
    /// </summary>
    ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken);
}

/// <summary>An app: id, keys, webhook, bounds. Immutable. Times in Unix milliseconds.</summary>
public sealed record AppRecord
{
    /// <summary>1 to 64 characters of a–z, 0–9, '-', '_' and '.', beginning with a letter or digit.</summary>
    public required string Id { get; init; }
    /// <summary>For people.</summary>
    public string Name { get; init; } = "";
    /// <summary>A disabled app is refused everywhere; its data stays.</summary>
    public bool Enabled { get; init; } = true;
    /// <summary>Grows with each change.</summary>
    public long Revision { get; init; }
    /// <summary>When it was created.</summary>
    public long CreatedAt { get; init; }
    /// <summary>Keys of the HTTP API; only hashes are kept.</summary>
    public IReadOnlyList<ApiKey> ApiKeys { get; init; } = [];
    /// <summary>Keys that sign tickets, at most two.</summary>
    public IReadOnlyList<AppTicketKey> TicketKeys
    {
        get;
        init
        {
            field = value;
            _signingKeys = [.. value.Select(key => new TicketKey(key.Id, key.Secret))];
        }
    } = [];
    /// <summary>Where upstream messages and presence go; null = nowhere.</summary>
    public WebhookSettings? Webhook { get; init; }
    /// <summary>Bounds.</summary>
    public AppLimits Limits { get; init; } = new();

    // Made with TicketKeys and never apart from it, so that a copy with other keys does not keep the old ones.
    private readonly TicketKey[] _signingKeys = [];

    /// <summary>The ticket keys in the form the verifier takes.</summary>
    public ReadOnlySpan<TicketKey> SigningKeys => _signingKeys;
}

/// <summary>An API key: SHA-256 of the whole key text.</summary>
public sealed record ApiKey(string Id, ReadOnlyMemory<byte> Hash, long CreatedAt);

/// <summary>A ticket key with its secret.</summary>
public sealed record AppTicketKey(uint Id, ReadOnlyMemory<byte> Secret, long CreatedAt);

/// <summary>
/// The webhook: the URL for everything, other URLs for single upstream types, secrets (newest first, at most two, each at least
/// 24 bytes; every delivery is signed with each), and whether presence is wanted.
/// </summary>
public sealed record WebhookSettings(
    string Url, IReadOnlyDictionary<string, string> TypeUrls, IReadOnlyList<ReadOnlyMemory<byte>> Secrets, bool Presence);

/// <summary>Bounds of an app; every one has a default.</summary>
public sealed record AppLimits
{
    /// <summary>Most messages waiting for one user. Default 1,000.</summary>
    public int MailboxMessages { get; init; } = 1_000;
    /// <summary>Most payload bytes waiting for one user. Default 8 MiB.</summary>
    public long MailboxBytes { get; init; } = 8 * 1024 * 1024;
    /// <summary>Longest time that a message waits, and the default time to live. Default 7 days.</summary>
    public TimeSpan MailboxAge { get; init; } = TimeSpan.FromDays(7);
    /// <summary>Longest payload, bytes. Default and most 64 KiB.</summary>
    public int PayloadBytes { get; init; } = ProtocolLimits.DefaultMaxPayload;
    /// <summary>Deliveries of a head message without an ACK before it is set aside. Default 20.</summary>
    public int DeliveryAttempts { get; init; } = 20;
    /// <summary>Most webhook events that wait. Default 100,000.</summary>
    public long EventCount { get; init; } = 100_000;
    /// <summary>Most bytes of webhook events that wait. Default 64 MiB.</summary>
    public long EventBytes { get; init; } = 64L * 1024 * 1024;
    /// <summary>API requests per second, 0 = unlimited. Default 0.</summary>
    public int RequestsPerSecond { get; init; }
}
