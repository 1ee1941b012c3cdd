using System.Net;

namespace PushSystem.Transport;

/// <summary>Settings of an engine, checked by <see cref="Validate"/> at start.</summary>
public sealed class TransportOptions
{
    /// <summary>Where to listen; port 0 takes a free one. Default 0.0.0.0:7402.</summary>
    public IList<IPEndPoint> EndPoints { get; set; } = [new(IPAddress.Any, 7402)];
    /// <summary>Number of shards. Default: the number of processors.</summary>
    public int Shards { get; set; } = Environment.ProcessorCount;
    /// <summary>Length of the accept queue. Default 4096.</summary>
    public int Backlog { get; set; } = 4096;
    /// <summary>Most connections of the engine; further ones are closed at once and counted. Default 1,000,000.</summary>
    public int MaxConnections { get; set; } = 1_000_000;
    /// <summary>Most bytes of output that may wait for one connection. Default 256 KiB.</summary>
    public int MaxOutputBytes { get; set; } = 256 * 1024;
    /// <summary>Most bytes of output that may wait for all connections together. Default 256 MiB.</summary>
    public long MaxTotalOutputBytes { get; set; } = 256L * 1024 * 1024;
    /// <summary>Most bytes kept of a connection's input while receiving is paused or a frame is incomplete. Default 128 KiB;
    /// must exceed the largest frame.</summary>
    public int MaxInputBytes { get; set; } = 128 * 1024;
    /// <summary>Size of a receive buffer, bytes. Default 16 KiB.</summary>
    public int ReceiveBufferBytes { get; set; } = 16 * 1024;
    /// <summary>Tick of the timing wheel. Default 100 ms.</summary>
    public TimeSpan WheelTick { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Throws <see cref="ArgumentException"/> naming the setting and its limit.</summary>
    public void Validate()
    {
        Check(EndPoints.Count is > 0 and <= 64, nameof(EndPoints), "1 to 64 are allowed");
        Check(Shards is > 0 and <= 256, nameof(Shards), "1 to 256 are allowed");
        Check(Backlog is > 0 and <= 65_535, nameof(Backlog), "1 to 65535 are allowed");
        Check(MaxConnections > 0, nameof(MaxConnections), "at least 1 is needed");
        Check(MaxOutputBytes is >= 4_096 and <= 64 * 1024 * 1024, nameof(MaxOutputBytes), "4096 to 67108864 are allowed");
        Check(MaxTotalOutputBytes >= MaxOutputBytes, nameof(MaxTotalOutputBytes), "at least MaxOutputBytes is needed");
        Check(MaxInputBytes is >= 16_384 and <= 16 * 1024 * 1024, nameof(MaxInputBytes), "16384 to 16777216 are allowed");
        Check(ReceiveBufferBytes is >= 512 and <= 1024 * 1024, nameof(ReceiveBufferBytes), "512 to 1048576 are allowed");
        Check(WheelTick >= TimeSpan.FromMilliseconds(1) && WheelTick <= TimeSpan.FromSeconds(10), nameof(WheelTick), "1 ms to 10 s are allowed");
    }

    private static void Check(bool condition, string name, string rule)
    {
        if (!condition)
            throw new ArgumentException($"Transport:{name} is out of range: {rule}", name);
    }
}
