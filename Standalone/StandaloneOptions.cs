using System.Net;

namespace PushSystem.Standalone;

/// <summary>What the command line sets. Immutable.</summary>
public sealed record StandaloneOptions
{
    /// <summary>Folder for the database and the keys. Default "data".</summary>
    public string Data { get; init; } = "data";
    /// <summary>Where the HTTP API listens. Default 127.0.0.1:7400.</summary>
    public IPEndPoint Api { get; init; } = new(IPAddress.Loopback, 7400);
    /// <summary>Where the dispatcher listens. Default 127.0.0.1:7401.</summary>
    public IPEndPoint Dispatcher { get; init; } = new(IPAddress.Loopback, 7401);
    /// <summary>Where clients connect. Default 127.0.0.1:7402.</summary>
    public IPEndPoint Room { get; init; } = new(IPAddress.Loopback, 7402);
    /// <summary>The host that the dispatcher tells to clients. Default: the room's own address.</summary>
    public string? Advertise { get; init; }
    /// <summary>Whether the demo app and its device are there. Default true.</summary>
    public bool Demo { get; init; } = true;
    /// <summary>Whether the demo app's device runs in this process. Default true.</summary>
    public bool DemoDevice { get; init; } = true;
    /// <summary>How long a drain may take. Default 10 s.</summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>Log level of the console. Default Warning, so that pushes stand out.</summary>
    public string LogLevel { get; init; } = "Warning";

    /// <summary>The host that clients are told.</summary>
    public string AdvertisedHost => Advertise ?? (Room.Address.Equals(IPAddress.Any) || Room.Address.Equals(IPAddress.IPv6Any)
        ? IPAddress.Loopback.ToString()
        : Room.Address.ToString());
}
