using System.Text;
using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>
/// Settings of one <see cref="PushClient"/>; read once, when the client is made. Either <see cref="Dispatcher"/> or
/// <see cref="Addresses"/> must be given; with both, the fixed addresses are the last resort.
/// </summary>
public sealed class PushClientOptions
{
    /// <summary>Base address of the dispatcher, such as http://push.example.com:7401. Default: none.</summary>
    public Uri? Dispatcher { get; set; }

    /// <summary>Fixed "host:port" addresses of rooms ("[v6]:port" for IPv6). Default: none.</summary>
    public IReadOnlyList<string> Addresses { get; set; } = [];

    /// <summary>Names this installation; the same at every start. Required, 1 to 64 UTF-8 bytes.</summary>
    public string Device { get; set; } = "";

    /// <summary>
    /// File that keeps positions, upstream ids and room addresses over restarts; one file per device, one process at a time.
    /// Default: none, everything is kept in memory only and messages may show again after a restart.
    /// </summary>
    public string? StorePath { get; set; }

    /// <summary>
    /// Also flush the store to the disk before each ACK, so that not even a power loss shows a message twice. Costs one disk
    /// flush per ACK. Default: false, safe against a crash of the process only.
    /// </summary>
    public bool FlushStoreToDisk { get; set; }

    /// <summary>The client's region for the dispatcher. Default: "", not told.</summary>
    public string Region { get; set; } = "";

    /// <summary>The client's internet provider for the dispatcher. Default: "", not told.</summary>
    public string Isp { get; set; } = "";

    /// <summary>Kind of network, told to the room for statistics. Default: unknown.</summary>
    public NetworkType Network { get; set; }

    /// <summary>Longest time for one TCP connect. Default: 5 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time from the connect to the answer to LOGIN or RESUME, and for BIND and UNBIND. Default: 10 s.</summary>
    public TimeSpan LoginTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest time for one question to the dispatcher. Default: 5 s.</summary>
    public TimeSpan RouteTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time for one call of a ticket provider. Default: 10 s.</summary>
    public TimeSpan TicketTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The connection is dead when nothing arrives for this long after a PING. Default: 10 s.</summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Heartbeat interval, brought inside the server's limits. Default: null, the server's default. At least 1 s.
    /// </summary>
    public TimeSpan? HeartbeatInterval { get; set; }

    /// <summary>Shortest back-off; a dispatcher may tell another. Default: 1 s.</summary>
    public TimeSpan BackoffBase { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest back-off; a dispatcher may tell another. Default: 120 s.</summary>
    public TimeSpan BackoffCap { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>A connection that was online this long resets the back-off; a dispatcher may tell another. Default: 10 s.</summary>
    public TimeSpan BackoffReset { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Received bytes that may wait for the handler (each message counts 256 bytes more than its payload); beyond it the client
    /// stops reading from the socket. Default: 1 MiB. At least 4 KiB.
    /// </summary>
    public int ReceiveQueueBytes { get; set; } = 1 << 20;

    /// <summary>
    /// Bytes of upstream messages that may wait for SEND_OK (each counts 256 bytes more than its payload); beyond it
    /// <see cref="PushClient.SendAsync(string, string, string, string, CancellationToken)"/> throws. Default: 1 MiB.
    /// </summary>
    public int SendQueueBytes { get; set; } = 1 << 20;

    /// <summary>How long stopping waits for a handler that is running and for the last ACK to leave. Default: 5 s.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The clock. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Seed of the jitter, for tests. Default: null, a different one each time.</summary>
    public int? RandomSeed { get; set; }

    /// <summary>Handler for the questions to the dispatcher, such as one with a proxy; not disposed. Default: null, an own one.</summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    // What the application changes later must not reach a client that runs.
    internal PushClientOptions Clone() => (PushClientOptions)MemberwiseClone();

    internal void Validate()
    {
        if (Dispatcher is null && Addresses.Count == 0)
            throw new ArgumentException("Dispatcher or Addresses must be given");
        if (Dispatcher is { } uri && (!uri.IsAbsoluteUri || uri.Scheme is not ("http" or "https")))
            throw new ArgumentException($"Dispatcher '{uri}' is not an absolute http or https address");
        foreach (var address in Addresses)
        {
            if (!Routing.RoomEndpoint.TryParse(address, out _))
                throw new ArgumentException($"Addresses: '{address}' is not host:port");
        }
        ClientText.Check(Device, ProtocolLimits.MaxDeviceBytes, nameof(Device));
        if (Encoding.UTF8.GetByteCount(Region) > 64 || Encoding.UTF8.GetByteCount(Isp) > 64)
            throw new ArgumentException("Region and Isp may have at most 64 UTF-8 bytes");
        CheckTime(ConnectTimeout, nameof(ConnectTimeout));
        CheckTime(LoginTimeout, nameof(LoginTimeout));
        CheckTime(RouteTimeout, nameof(RouteTimeout));
        CheckTime(TicketTimeout, nameof(TicketTimeout));
        CheckTime(PingTimeout, nameof(PingTimeout));
        CheckTime(StopTimeout, nameof(StopTimeout));
        CheckTime(BackoffBase, nameof(BackoffBase));
        CheckTime(BackoffCap, nameof(BackoffCap));
        CheckTime(BackoffReset, nameof(BackoffReset));
        if (BackoffCap < BackoffBase)
            throw new ArgumentException("BackoffCap must not be shorter than BackoffBase");
        if (HeartbeatInterval is { } interval && (interval < TimeSpan.FromSeconds(1) || interval.TotalSeconds > ProtocolLimits.MaxIntervalSeconds))
            throw new ArgumentException($"HeartbeatInterval must be 1 to {ProtocolLimits.MaxIntervalSeconds} s");
        if (ReceiveQueueBytes < 4096)
            throw new ArgumentException("ReceiveQueueBytes must be at least 4096");
        if (SendQueueBytes < 4096)
            throw new ArgumentException("SendQueueBytes must be at least 4096");
    }

    private static void CheckTime(TimeSpan value, string name)
    {
        if (value <= TimeSpan.Zero || value > TimeSpan.FromDays(1))
            throw new ArgumentException($"{name} must be more than 0 and at most one day");
    }
}
