using System.Net;
using System.Net.Sockets;

namespace PushSystem.Coordinator.Upstream;

/// <summary>Makes the HTTP handler for webhooks: no redirects, no cookies, no proxy, and on demand public addresses only.</summary>
internal static class WebhookHandler
{
    public static SocketsHttpHandler Create(CoordinatorOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = options.RequestTimeout,
            // A receiver that moves is found again within this time.
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            MaxConnectionsPerServer = options.InFlightPerApp,
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 64 * 1024,
            ResponseDrainTimeout = TimeSpan.FromSeconds(1),
        };
        if (options.DenyPrivateNetworks)
            handler.ConnectCallback = (context, cancellationToken) => ConnectPublicAsync(context.DnsEndPoint, cancellationToken);
        return handler;
    }

    /// <summary>
    /// Resolves once, refuses the host when any of its addresses is not public, and connects to exactly those addresses: a
    /// name that resolves differently a moment later (DNS rebinding) gains nothing.
    /// </summary>
    internal static async ValueTask<Stream> ConnectPublicAsync(DnsEndPoint target, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(target.Host, out var literal)
            ? [literal]
            : await Dns.GetHostAddressesAsync(target.Host, cancellationToken);
        foreach (var address in addresses)
        {
            if (!AddressPolicy.IsPublic(address))
                throw new WebhookRefusedException($"{target.Host} has the address {address}, which is not public (DenyPrivateNetworks)");
        }
        if (addresses.Length == 0)
            throw new WebhookRefusedException($"{target.Host} has no address");
        Exception? last = null;
        foreach (var address in addresses)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, target.Port), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException exception)
            {
                last = exception;
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        throw new IOException($"none of the {addresses.Length} addresses of {target.Host} answered", last);
    }
}

/// <summary>The address rule forbids the webhook's host.</summary>
internal sealed class WebhookRefusedException(string message) : Exception(message);
