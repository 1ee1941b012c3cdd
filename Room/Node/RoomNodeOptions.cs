using System.ComponentModel.DataAnnotations;
using System.Net;
using PushSystem.Hosting.Nodes;
using PushSystem.Remote.Rooms;

namespace PushSystem.Room;

/// <summary>The node file of a room.</summary>
public sealed class RoomNodeOptions : NodeOptions
{
    /// <summary>Section "room".</summary>
    public RoomFileSection Room { get; set; } = new();

    /// <inheritdoc/>
    public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var result in base.Validate(validationContext))
            yield return result;
        if (Room.Listen.Count == 0)
            yield return Wrong("Room:Listen", "at least one address with a port is needed");
        foreach (var listen in Room.Listen)
        {
            if (!IPEndPoint.TryParse(listen, out var endPoint) || endPoint.Port == 0)
                yield return Wrong("Room:Listen", $"'{listen}' must be an address with a port");
        }
        foreach (var advertised in Room.Advertise)
        {
            if (RoomDetails.ParseAddress(advertised) is null)
                yield return Wrong("Room:Advertise", $"'{advertised}' must be a name or an address with a port");
        }
        if (Room.Advertise.Count == 0 && Room.Listen.Any(listen => IPEndPoint.TryParse(listen, out var endPoint)
            && (endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any))))
        {
            yield return Wrong("Room:Advertise", "must say by which addresses clients reach this room when it listens on all of them");
        }
        if (Room.Weight is < 1 or > 1_000_000)
            yield return Wrong("Room:Weight", $"{Room.Weight} must be 1 to 1000000");
        foreach (var (name, text) in new[] { ("Region", Room.Region), ("Isp", Room.Isp), ("DataCentre", Room.DataCentre) })
        {
            if (System.Text.Encoding.UTF8.GetByteCount(text) > 32)
                yield return Wrong($"Room:{name}", "must be at most 32 bytes");
        }
    }
}

/// <summary>What is peculiar to one room; what rooms share is in the cluster's configuration.</summary>
public sealed class RoomFileSection
{
    /// <summary>Where clients connect, "address:port". No default.</summary>
    public List<string> Listen { get; set; } = [];
    /// <summary>What clients are told, "host:port"; empty = where it listens.</summary>
    public List<string> Advertise { get; set; } = [];
    /// <summary>Region, "" = any.</summary>
    public string Region { get; set; } = "";
    /// <summary>Internet provider that it is near to, "" = any.</summary>
    public string Isp { get; set; } = "";
    /// <summary>The data centre.</summary>
    public string DataCentre { get; set; } = "";
    /// <summary>Relative share of clients. Default 100.</summary>
    public int Weight { get; set; } = 100;
}
