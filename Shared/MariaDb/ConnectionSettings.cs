namespace PushSystem.MariaDb;

/// <summary>How a connection is encrypted.</summary>
public enum MariaDbSslMode
{
    /// <summary>Not at all.</summary>
    None,
    /// <summary>If the server offers it; its certificate is not checked.</summary>
    Preferred,
    /// <summary>Always; its certificate is not checked.</summary>
    Required,
    /// <summary>Always, and the certificate must be signed by SslCa. The client library checks the host name as well.</summary>
    VerifyCA,
    /// <summary>Always; the certificate must be signed by SslCa and carry the server's name.</summary>
    VerifyFull,
}

/// <summary>A connection string, read and checked. Immutable.</summary>
internal sealed record ConnectionSettings
{
    public required string Server { get; init; }
    public required uint Port { get; init; }
    public required string User { get; init; }
    public required string Password { get; init; }
    public required string Database { get; init; }
    public required TimeSpan ConnectTimeout { get; init; }
    public required TimeSpan CommandTimeout { get; init; }
    public required int MaxPool { get; init; }
    public required int MinPool { get; init; }
    public required bool Pooling { get; init; }
    public required bool ResetChanged { get; init; }
    public required TimeSpan IdleTimeout { get; init; }
    public required TimeSpan Lifetime { get; init; }
    public required MariaDbSslMode SslMode { get; init; }
    public required string SslAuthority { get; init; }
    public required string SslCertificate { get; init; }
    public required string SslKey { get; init; }
    public required bool UserVariables { get; init; }
    public required bool AffectedRows { get; init; }
}
