using System.ComponentModel.DataAnnotations;
using System.Net;
using StackExchange.Redis;

namespace PushSystem.Redis;

/// <summary>How to reach redis and how much to ask of it at once. Checked when the link is opened.</summary>
public sealed class RedisOptions : IValidatableObject
{
    /// <summary>
    /// "host:port", comma-separated: the server and its replicas, or some members of a Redis Cluster; which of both is detected.
    /// Default "127.0.0.1:6379".
    /// </summary>
    public string EndPoints { get; set; } = "127.0.0.1:6379";

    /// <summary>Password, "" = none. Default "".</summary>
    public string Password { get; set; } = "";

    /// <summary>Whether to use TLS. Default false.</summary>
    public bool Tls { get; set; }

    /// <summary>Name that the server's certificate must carry; "" = the host of the endpoint. Default "".</summary>
    public string TlsHost { get; set; } = "";

    /// <summary>PEM file of the authorities that may have signed the server's certificate; "" = those of the system. Default "".</summary>
    public string TlsCaFile { get; set; } = "";

    /// <summary>Deadline of a call, from 10 ms to 1 minute. Default 1 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Deadline of connecting, handshake included, from 10 ms to 1 minute. Default 2 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// A call unanswered for so long makes the link give up its connections and connect anew, from 100 ms to 5 minutes. Default 3 s.
    /// </summary>
    public TimeSpan SilenceLimit { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Most calls under way, those given up after their deadline included, from 1. Default 16,384; further ones are refused.</summary>
    public int MaxInFlight { get; set; } = 16_384;

    /// <summary>Most bytes of arguments of calls under way, from 64 KiB. Default 64 MiB; further calls are refused.</summary>
    public long MaxInFlightBytes { get; set; } = 64L * 1024 * 1024;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (ParseEndPoints() is null)
            yield return Wrong(nameof(EndPoints), "must be \"host:port\", comma-separated, at least one");
        if (TlsCaFile.Length > 0 && !File.Exists(TlsCaFile))
            yield return Wrong(nameof(TlsCaFile), "must be a file that exists");
        if (Timeout < TimeSpan.FromMilliseconds(10) || Timeout > TimeSpan.FromMinutes(1))
            yield return Wrong(nameof(Timeout), "must be from 10 ms to 1 minute");
        if (ConnectTimeout < TimeSpan.FromMilliseconds(10) || ConnectTimeout > TimeSpan.FromMinutes(1))
            yield return Wrong(nameof(ConnectTimeout), "must be from 10 ms to 1 minute");
        if (SilenceLimit < TimeSpan.FromMilliseconds(100) || SilenceLimit > TimeSpan.FromMinutes(5))
            yield return Wrong(nameof(SilenceLimit), "must be from 100 ms to 5 minutes");
        if (MaxInFlight < 1)
            yield return Wrong(nameof(MaxInFlight), "must be at least 1");
        if (MaxInFlightBytes < 64 * 1024)
            yield return Wrong(nameof(MaxInFlightBytes), "must be at least 65536");
    }

    /// <summary>The endpoints, or null when one of them is malformed.</summary>
    internal EndPoint[]? ParseEndPoints()
    {
        var parts = EndPoints.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var points = new EndPoint[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            if (IPEndPoint.TryParse(parts[i], out var address) && address.Port > 0)
            {
                points[i] = address;
                continue;
            }
            var colon = parts[i].LastIndexOf(':');
            if (colon < 1 || !ushort.TryParse(parts[i].AsSpan(colon + 1), out var port) || port == 0)
                return null;
            points[i] = new DnsEndPoint(parts[i][..colon], port);
        }
        return points.Length > 0 ? points : null;
    }

    /// <summary>The same in the library's terms.</summary>
    internal ConfigurationOptions ToConfiguration()
    {
        var configuration = new ConfigurationOptions
        {
            AbortOnConnectFail = false,
            ClientName = "push",
            ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds,
            SyncTimeout = (int)Timeout.TotalMilliseconds,
            ReconnectRetryPolicy = new LinearRetry((int)ConnectTimeout.TotalMilliseconds),
            // A handshake that nobody answers is given up after this time as well.
            KeepAlive = Math.Max(1, (int)Math.Ceiling(SilenceLimit.TotalSeconds)),
            ConfigCheckSeconds = 2,
            // No key and no channel of the library's own: nothing is left in redis that this project did not write.
            TieBreaker = "",
            ConfigurationChannel = "",
            CommandMap = CommandMap.Create(["SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "PUBLISH"], available: false),
            DefaultVersion = new Version(6, 2),
            Ssl = Tls,
        };
        if (Password.Length > 0)
            configuration.Password = Password;
        if (Tls && TlsHost.Length > 0)
            configuration.SslHost = TlsHost;
        if (Tls && TlsCaFile.Length > 0)
            configuration.CertificateValidation += new CaFile(TlsCaFile).IsTrusted;
        foreach (var point in ParseEndPoints()!)
            configuration.EndPoints.Add(point);
        return configuration;
    }

    private static ValidationResult Wrong(string member, string message) => new(message, [member]);
}
