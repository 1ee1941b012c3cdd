using System.Diagnostics.CodeAnalysis;

namespace PushSystem.Cluster.Etcd;

/// <summary>One member's client URL and how it did lately. Fields are guarded by the lock of <see cref="EndpointList"/>.</summary>
internal sealed class EtcdEndpoint(Uri address, bool isConfigured)
{
    /// <summary>Scheme, host and port.</summary>
    public Uri Address { get; } = address;

    /// <summary>Named by the options: it stays whatever the members say.</summary>
    public bool IsConfigured { get; } = isConfigured;

    /// <summary>Failures in a row.</summary>
    public int Failures { get; set; }

    /// <summary>Timestamp before which others are preferred.</summary>
    public long NotBefore { get; set; }

    /// <summary>Accepts http and https with a host and without path, query or user.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out Uri? address)
    {
        address = null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0
            || uri.PathAndQuery is not ("/" or "") || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
            return false;
        address = new Uri(uri.GetLeftPart(UriPartial.Authority));
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => Address.GetLeftPart(UriPartial.Authority);
}
