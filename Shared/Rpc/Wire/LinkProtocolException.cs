namespace PushSystem.Rpc.Wire;

/// <summary>The peer broke the protocol of links; the connection is closed.</summary>
internal sealed class LinkProtocolException(string message) : Exception(message);
