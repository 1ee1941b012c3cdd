using PushSystem.Loadtest.Api;
using PushSystem.Loadtest.Clients;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>What every scenario needs.</summary>
internal sealed record CommonSettings
{
    /// <summary>The server.</summary>
    public required TargetSettings Target { get; init; }
    /// <summary>Number of clients.</summary>
    public int Clients { get; init; } = 100;
    /// <summary>New connections per second, 0 = at once.</summary>
    public int Ramp { get; init; } = 2_000;
    /// <summary>User n is this and n.</summary>
    public string UserPrefix { get; init; } = "load-";
    /// <summary>Number of the first user.</summary>
    public int Offset { get; init; }
    /// <summary>Client loops.</summary>
    public int Loops { get; init; } = 1;
    /// <summary>Seconds between PINGs, 0 = the server's default.</summary>
    public int HeartbeatSeconds { get; init; }
    /// <summary>ACK after every read.</summary>
    public bool ImmediateAck { get; init; }
    /// <summary>Local addresses; empty = chosen by need.</summary>
    public IReadOnlyList<System.Net.IPAddress> Sources { get; init; } = [];
    /// <summary>Connect and login within this.</summary>
    public TimeSpan LoginTimeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Timeout of an API request.</summary>
    public TimeSpan ApiTimeout { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>How long accepted messages may still arrive after the last one was sent.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>The server's process, 0 = not known.</summary>
    public int ServerPid { get; init; }
    /// <summary>Where the report goes, null = nowhere.</summary>
    public string? JsonFile { get; init; }
    /// <summary>Plain lines instead of a live table.</summary>
    public bool Plain { get; init; }

    /// <summary>The part that the clients need.</summary>
    public ClientSettings ClientsAt(IReadOnlyList<System.Net.IPEndPoint> rooms) => new()
    {
        App = Target.App,
        Clients = Clients,
        Rooms = rooms,
        Sources = Sources.Count > 0 ? Sources : ClientFleet.SourcesFor(Clients, rooms),
        UserPrefix = UserPrefix,
        Offset = Offset,
        Loops = Math.Min(Loops, Clients),
        HeartbeatSeconds = HeartbeatSeconds,
        ImmediateAck = ImmediateAck,
        LoginTimeoutMilliseconds = (int)LoginTimeout.TotalMilliseconds,
    };
}

/// <summary>connect: how long the connections are held.</summary>
internal sealed record ConnectSettings(TimeSpan Hold);

/// <summary>
/// unicast: messages per second (0 = as fast as the requests in flight allow), requests in flight, messages per request, level,
/// payload bytes, and the end: after a time or a number of messages (0 = by time).
/// </summary>
internal sealed record UnicastSettings(int Rate, int Concurrency, int Batch, string Level, int Size, TimeSpan Duration, long Count)
{
    /// <summary>Accepted means that it will arrive.</summary>
    public bool Guaranteed => Level != "transient";
}

/// <summary>broadcast: number, broadcasts per second (0 = each after the one before has arrived), persons per second, payload bytes.</summary>
internal sealed record BroadcastSettings(int Count, double Rate, int PersonsPerSecond, int Size);
