using System.Net;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.Clients;

/// <summary>How the virtual clients behave. Immutable.</summary>
internal sealed record ClientSettings
{
    /// <summary>The app they bind.</summary>
    public required string App { get; init; }
    /// <summary>Number of clients.</summary>
    public required int Clients { get; init; }
    /// <summary>Rooms, used in turn; a client that reconnects takes the next one.</summary>
    public required IReadOnlyList<IPEndPoint> Rooms { get; init; }
    /// <summary>Local addresses, used in turn; empty = the system's choice.</summary>
    public IReadOnlyList<IPAddress> Sources { get; init; } = [];
    /// <summary>User n is this and n + <see cref="Offset"/>.</summary>
    public string UserPrefix { get; init; } = "load-";
    /// <summary>Number of the first user.</summary>
    public int Offset { get; init; }
    /// <summary>Event loops, one thread each.</summary>
    public int Loops { get; init; } = 1;
    /// <summary>Seconds between PINGs, 0 = the server's default.</summary>
    public int HeartbeatSeconds { get; init; }
    /// <summary>Acknowledge after every read instead of the server's count and delay.</summary>
    public bool ImmediateAck { get; init; }
    /// <summary>Come back after a lost connection.</summary>
    public bool Reconnect { get; init; } = true;
    /// <summary>Connect and login must be done within this, milliseconds.</summary>
    public int LoginTimeoutMilliseconds { get; init; } = 30_000;

    /// <summary>The user of a client.</summary>
    public string UserOf(int number) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{UserPrefix}{Offset + number}");
}

/// <summary>What a loop hands on. Called on the loop's thread; must not block.</summary>
internal interface IPushSink
{
    /// <summary>A message after the dedupe; <paramref name="now"/> is a timestamp taken when the bytes were read.</summary>
    void Received(int loop, VirtualClient client, in PushMessage push, long now);

    /// <summary>A RESET that skips so many positions.</summary>
    void Reset(int loop, VirtualClient client, in ResetMessage reset, long skipped);
}
