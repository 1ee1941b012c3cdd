using System.Text.Json.Serialization;

namespace PushSystem.Client.Routing;

/// <summary>What the dispatcher answers to GET /v1/route; unknown members are ignored, so that it can grow.</summary>
internal sealed class RouteAnswer
{
    public RouteAddress[]? Addresses { get; set; }
    public int TtlSeconds { get; set; }
    public RouteBackoff? Backoff { get; set; }
}

/// <summary>One address of the answer.</summary>
internal sealed class RouteAddress
{
    public string? Host { get; set; }
    public int Port { get; set; }
}

/// <summary>The operator's back-off.</summary>
internal sealed class RouteBackoff
{
    public int BaseMilliseconds { get; set; }
    public int CapMilliseconds { get; set; }
    public int ResetSeconds { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RouteAnswer))]
internal sealed partial class RouteJson : JsonSerializerContext;
