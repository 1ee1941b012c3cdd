using System.Net;

namespace PushSystem.Room.Access;

/// <summary>Which addresses may connect: not denied, and allowed if there is a list of those. Immutable; any thread.</summary>
internal sealed class AccessPolicy(RoomOptions options)
{
    private readonly IPNetwork[] _allowed = [.. options.AllowedNetworks];
    private readonly IPNetwork[] _denied = [.. options.DeniedNetworks];

    public bool Allows(IPAddress address)
    {
        if (_allowed.Length == 0 && _denied.Length == 0)
            return true;
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return !Contains(_denied, address) && (_allowed.Length == 0 || Contains(_allowed, address));
    }

    private static bool Contains(IPNetwork[] networks, IPAddress address)
    {
        foreach (var network in networks)
        {
            if (network.Contains(address))
                return true;
        }
        return false;
    }
}
