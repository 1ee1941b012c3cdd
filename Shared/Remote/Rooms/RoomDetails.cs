using System.Text.Json;
using System.Text.Json.Serialization;
using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;

namespace PushSystem.Remote.Rooms;

/// <summary>What a room says of itself in etcd beyond what every node says (JSON in <see cref="NodeInfo.Details"/>). Immutable.</summary>
public sealed partial record RoomDetails
{
    /// <summary>Where clients connect, "host:port".</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];
    /// <summary>Region, "" = any.</summary>
    public string Region { get; init; } = "";
    /// <summary>Internet provider, "" = any.</summary>
    public string Isp { get; init; } = "";
    /// <summary>The data centre.</summary>
    public string DataCentre { get; init; } = "";
    /// <summary>Relative share of clients, from 1.</summary>
    public int Weight { get; init; } = 100;
    /// <summary>Connections when this was written.</summary>
    public int Connections { get; init; }
    /// <summary>Most connections.</summary>
    public int Capacity { get; init; }

    /// <summary>As JSON for <see cref="NodeInfo.Details"/>.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, Json.Default.RoomDetails);

    /// <summary>The room that a node describes; null when what it says cannot be understood.</summary>
    public static RoomInfo? Read(NodeInfo node)
    {
        RoomDetails? details;
        try
        {
            details = node.Details?.Deserialize(Json.Default.RoomDetails);
        }
        catch (JsonException)
        {
            return null;
        }
        if (details is null || details.Weight < 1)
            return null;
        var addresses = new List<RoomAddress>();
        foreach (var text in details.Addresses)
        {
            if (ParseAddress(text) is not { } address)
                return null;
            addresses.Add(address);
        }
        return new RoomInfo
        {
            Id = node.Id, Incarnation = node.Incarnation, Addresses = addresses, Group = node.Group, Region = details.Region, Isp = details.Isp,
            DataCentre = details.DataCentre, Weight = details.Weight, Connections = details.Connections, Capacity = details.Capacity,
            Draining = node.Draining,
        };
    }

    /// <summary>"host:port" or "[IPv6]:port", or null.</summary>
    public static RoomAddress? ParseAddress(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), out var port) && port is > 0 and <= 65_535
            ? new RoomAddress(text[..colon].Trim('[', ']'), port)
            : null;
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(RoomDetails))]
    private sealed partial class Json : JsonSerializerContext;
}
