using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using PushSystem.Rpc.Client;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Server;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc;

/// <summary>From a connection to a link.</summary>
public sealed partial class RpcServer
{
    private static readonly TimeSpan ByeTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    private async Task AcceptLoopAsync(Socket listener, IPEndPoint endPoint)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(_stopping.Token);
                _handshakes.Run(cancellationToken => HandshakeAsync(socket, cancellationToken));
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException e)
            {
                // One bad connection, or a lack of descriptors: the loop goes on.
                RpcLog.AcceptFailed(_logger, endPoint, e.Message, AcceptPause.TotalMilliseconds);
                await PauseAsync();
            }
            catch (Exception e)
            {
                RpcLog.AcceptFault(_logger, endPoint, e);
                await PauseAsync();
            }
        }
    }

    private async Task PauseAsync()
    {
        try
        {
            await Task.Delay(AcceptPause, _clock.Provider, _stopping.Token);
        }
        catch (OperationCanceledException)
        {
            // The loop sees it itself.
        }
    }

    private async Task HandshakeAsync(Socket socket, CancellationToken cancellationToken)
    {
        IWire wire = new SocketWire(socket);
        EndPoint? endPoint = null;
        try
        {
            endPoint = socket.RemoteEndPoint;
            socket.NoDelay = true;
            using var limit = new CancellationTokenSource(_options.HandshakeTimeout, _clock.Provider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken, _stopping.Token);
            if (_options.Tls is { } tls)
                wire = await SecureAsync(socket, tls, either.Token);
            var peer = await Handshake.AcceptAsync(wire, _options, Refuse, either.Token);
            var link = new ServerConnection(wire, peer, endPoint, _methods, _options, _clock, _metrics, _logger, Closed);
            if (!_links.TryAdd(link, out var replaced))
            {
                link.Close(LinkEnd.Stopped, "the server is stopping or full");
                link.Start();
                return;
            }
            replaced?.Close(LinkEnd.Replaced, "the node has opened further links (Rpc:MaxLinksPerNode)");
            RpcLog.LinkAccepted(_logger, peer.NodeId, endPoint);
            _metrics.Opened();
            link.Start();
        }
        catch (Exception e)
        {
            wire.Abort();
            if (_stopping.IsCancellationRequested)
                return;
            if (e is HandshakeRefusedException refused)
                Refused(endPoint, refused.Refusal.ToString(), e.Message);
            else if (e is OperationCanceledException)
                Refused(endPoint, "silence", "the handshake was not complete within Rpc:HandshakeTimeout, or gave way to newer ones (Rpc:MaxHandshakes)");
            else if (Connector.IsExpected(e))
                Refused(endPoint, e is LinkProtocolException ? "protocol" : "broken", e.Message);
            else
                RpcLog.HandshakeFault(_logger, endPoint, e);
        }
    }

    private async Task<IWire> SecureAsync(Socket socket, RpcTlsOptions tls, CancellationToken cancellationToken)
    {
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await stream.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions
                {
                    ServerCertificate = tls.Certificate,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                },
                cancellationToken);
            return new TlsWire(stream, SHA256.HashData(tls.Certificate!.RawData));
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private Refusal Refuse(string nodeId) =>
        _stopping.IsCancellationRequested ? Refusal.Stopping : _links.HasRoom(nodeId) ? Refusal.None : Refusal.TooManyLinks;

    private void Refused(EndPoint? endPoint, string reason, string text)
    {
        _metrics.Refused(reason);
        _refusals.Write(endPoint, text);
    }

    private void Closed(ServerConnection link, LinkEnd end, string reason)
    {
        if (!_links.Remove(link))
            return;
        RpcLog.PeerGone(_logger, link.Peer.NodeId, end, reason);
        _metrics.Closed(end);
    }
}
