using System.Diagnostics.Metrics;

namespace PushSystem.Client;

/// <summary>Counters of all clients in the process, meter "PushSystem.Client". Thread-safe.</summary>
internal static class ClientMetrics
{
    private static readonly Meter Meter = new("PushSystem.Client");

    /// <summary>Messages whose handler completed.</summary>
    public static readonly Counter<long> Processed = Meter.CreateCounter<long>("push_client_messages_processed");
    /// <summary>Messages that came again and were not shown.</summary>
    public static readonly Counter<long> Duplicates = Meter.CreateCounter<long>("push_client_duplicates");
    /// <summary>Gaps told to the application.</summary>
    public static readonly Counter<long> Resets = Meter.CreateCounter<long>("push_client_resets");
    /// <summary>ACK frames sent.</summary>
    public static readonly Counter<long> Acks = Meter.CreateCounter<long>("push_client_acks");
    /// <summary>Connections that came online.</summary>
    public static readonly Counter<long> Connections = Meter.CreateCounter<long>("push_client_connections");
    /// <summary>Times the client stopped reading because the handler was behind.</summary>
    public static readonly Counter<long> ReceivePauses = Meter.CreateCounter<long>("push_client_receive_pauses");
    /// <summary>Upstream messages refused because the client's queue was full.</summary>
    public static readonly Counter<long> SendQueueFull = Meter.CreateCounter<long>("push_client_send_queue_full");
}
