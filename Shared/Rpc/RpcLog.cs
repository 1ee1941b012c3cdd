using System.Net;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Links;

namespace PushSystem.Rpc;

internal static partial class RpcLog
{
    [LoggerMessage(2100, LogLevel.Information, "Listening for links of nodes on {EndPoint}")]
    public static partial void Listening(ILogger logger, IPEndPoint endPoint);

    [LoggerMessage(2101, LogLevel.Information, "Node {NodeId} has opened a link from {EndPoint}")]
    public static partial void LinkAccepted(ILogger logger, string nodeId, EndPoint? endPoint);

    [LoggerMessage(2102, LogLevel.Information, "The link of node {NodeId} has ended ({End}): {Reason}")]
    public static partial void PeerGone(ILogger logger, string nodeId, LinkEnd end, string reason);

    [LoggerMessage(2103, LogLevel.Warning, "A connection from {EndPoint} was refused: {Reason} ({Suppressed} refusals before it were not logged)")]
    public static partial void Refused(ILogger logger, EndPoint? endPoint, string reason, long suppressed);

    [LoggerMessage(2104, LogLevel.Warning, "Accepting on {EndPoint} failed: {Error}; trying again in {Milliseconds} ms")]
    public static partial void AcceptFailed(ILogger logger, IPEndPoint endPoint, string error, double milliseconds);

    [LoggerMessage(2105, LogLevel.Warning, "{Running} handlers still run after Rpc:StopTimeout; they are cancelled and their calls end without an answer")]
    public static partial void HandlersStillRun(ILogger logger, int running);

    [LoggerMessage(2106, LogLevel.Information, "Stopped listening for links of nodes")]
    public static partial void StoppedListening(ILogger logger);

    [LoggerMessage(2110, LogLevel.Information, "The link to node {NodeId} at {Host}:{Port} is open")]
    public static partial void LinkOpened(ILogger logger, string nodeId, string host, int port);

    [LoggerMessage(2111, LogLevel.Warning, "The link to node {NodeId} at {Host}:{Port} cannot be opened: {Reason}")]
    public static partial void OpenFailed(ILogger logger, string nodeId, string host, int port, string reason);

    [LoggerMessage(2112, LogLevel.Debug, "The link to node {NodeId} at {Host}:{Port} cannot be opened, attempt {Attempt}: {Reason}")]
    public static partial void OpenFailedAgain(ILogger logger, string nodeId, string host, int port, int attempt, string reason);

    [LoggerMessage(2113, LogLevel.Information, "The link to node {NodeId} has ended ({End}): {Reason}")]
    public static partial void LinkEnded(ILogger logger, string nodeId, LinkEnd end, string reason);

    [LoggerMessage(2120, LogLevel.Error, "The handler of {Method} failed for a call of node {NodeId}")]
    public static partial void HandlerFailed(ILogger logger, string method, string nodeId, Exception exception);

    [LoggerMessage(2130, LogLevel.Error, "Fault while receiving from node {NodeId}; the link is closed")]
    public static partial void ReceiveFault(ILogger logger, string nodeId, Exception exception);

    [LoggerMessage(2131, LogLevel.Error, "Fault in the work of a link")]
    public static partial void PumpFault(ILogger logger, Exception exception);

    [LoggerMessage(2132, LogLevel.Error, "Fault in the tick of the links")]
    public static partial void TickFault(ILogger logger, Exception exception);

    [LoggerMessage(2133, LogLevel.Error, "Fault while opening the link to node {NodeId}")]
    public static partial void OpenFault(ILogger logger, string nodeId, Exception exception);

    [LoggerMessage(2134, LogLevel.Error, "Fault in the accept loop of {EndPoint}")]
    public static partial void AcceptFault(ILogger logger, IPEndPoint endPoint, Exception exception);

    [LoggerMessage(2135, LogLevel.Error, "Fault in the handshake with {EndPoint}")]
    public static partial void HandshakeFault(ILogger logger, EndPoint? endPoint, Exception exception);
}
