using System.Net;
using Microsoft.Extensions.Logging;

namespace PushSystem.Transport;

internal static partial class TransportLog
{
    [LoggerMessage(2000, LogLevel.Information, "Listening on {EndPoint}")]
    public static partial void Listening(ILogger logger, IPEndPoint endPoint);

    [LoggerMessage(2001, LogLevel.Information, "Stopped listening on {EndPoint}")]
    public static partial void StoppedListening(ILogger logger, IPEndPoint endPoint);

    [LoggerMessage(2002, LogLevel.Warning, "Accepting on {EndPoint} lacks resources ({Error}); trying again in {Milliseconds} ms")]
    public static partial void AcceptLacksResources(ILogger logger, IPEndPoint endPoint, string error, double milliseconds);

    [LoggerMessage(2003, LogLevel.Debug, "A connection on {EndPoint} failed while it was accepted: {Error}")]
    public static partial void AcceptFailed(ILogger logger, IPEndPoint endPoint, string error);

    [LoggerMessage(2004, LogLevel.Warning, "Refusing connections: {Limit} are open, the lower of Transport:MaxConnections = {MaxConnections} and what the limit of open files allows")]
    public static partial void ConnectionLimitReached(ILogger logger, int limit, int maxConnections);

    [LoggerMessage(2005, LogLevel.Error, "The accept loop of {EndPoint} ended by a fault")]
    public static partial void AcceptLoopFault(ILogger logger, IPEndPoint endPoint, Exception exception);

    [LoggerMessage(2006, LogLevel.Information, "At most {Limit} connections are accepted: the process's limit of open files does not allow Transport:MaxConnections = {MaxConnections}")]
    public static partial void ConnectionLimitLowered(ILogger logger, int limit, int maxConnections);

    [LoggerMessage(2010, LogLevel.Error, "Handler fault in {Member} for connection {Connection} of shard {Shard}; the connection is closed")]
    public static partial void HandlerFault(ILogger logger, string member, ConnectionRef connection, int shard, Exception exception);

    [LoggerMessage(2011, LogLevel.Error, "Handler fault in {Member} of shard {Shard}")]
    public static partial void ShardHandlerFault(ILogger logger, string member, int shard, Exception exception);

    [LoggerMessage(2012, LogLevel.Error, "Fault in a turn of shard {Shard}")]
    public static partial void TurnFault(ILogger logger, int shard, Exception exception);

    [LoggerMessage(2013, LogLevel.Warning, "Connection {Connection} of shard {Shard} is closed: {Bytes} bytes of input without a whole frame reach Transport:MaxInputBytes")]
    public static partial void InputLimitReached(ILogger logger, ConnectionRef connection, int shard, int bytes);
}
