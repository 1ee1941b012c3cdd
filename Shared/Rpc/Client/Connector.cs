using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Client;

/// <summary>Opens one connection: TCP, TLS if asked for, handshake, all within Rpc:ConnectTimeout. No state.</summary>
internal static class Connector
{
    /// <summary>True for what a network or a wrong peer does, as opposed to a defect.</summary>
    public static bool IsExpected(Exception e) =>
        e is SocketException or IOException or LinkProtocolException or HandshakeRefusedException or AuthenticationException or OperationCanceledException
            or ObjectDisposedException or CryptographicException;

    /// <summary>Throws one of the expected exceptions when it fails; <see cref="OperationCanceledException"/> when the time is over.</summary>
    public static async Task<ClientConnection> OpenAsync(NodeAddress address, NodeLinks owner, Action<ClientConnection, LinkEnd, string> closed)
    {
        var options = owner.Options;
        using var limit = new CancellationTokenSource(options.ConnectTimeout, owner.Clock.Provider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, owner.Stopping);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        IWire wire = new SocketWire(socket);
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, either.Token);
            if (options.Tls is { } tls)
                wire = await SecureAsync(socket, tls, address.Host, either.Token);
            var peer = await Handshake.ConnectAsync(wire, address.NodeId, options, either.Token);
            return new ClientConnection(wire, peer, options, owner.Clock, owner.Metrics, owner.Logger, closed);
        }
        catch
        {
            wire.Abort();
            throw;
        }
    }

    private static async Task<IWire> SecureAsync(Socket socket, RpcTlsOptions tls, string host, CancellationToken cancellationToken)
    {
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await stream.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => IsTrusted(certificate, tls.TrustedIssuers),
                },
                cancellationToken);
            return new TlsWire(stream, SHA256.HashData(stream.RemoteCertificate!.GetRawCertData()));
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Without issuers any certificate will do: the handshake proves with the cluster key that it is the server's own.</summary>
    private static bool IsTrusted(X509Certificate? certificate, X509Certificate2Collection issuers)
    {
        if (certificate is null)
            return false;
        if (issuers.Count == 0)
            return true;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(issuers);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return certificate is X509Certificate2 leaf && chain.Build(leaf);
    }
}
