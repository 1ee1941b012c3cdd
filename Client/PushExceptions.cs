using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>An upstream message was refused or given up; <see cref="Reason"/> says why.</summary>
public sealed class PushSendException(ReasonCode reason, string message) : Exception(message)
{
    /// <summary>The server's reason, or <see cref="ReasonCode.QueueFull"/> for the client's own queue.</summary>
    public ReasonCode Reason { get; } = reason;
}

/// <summary>A binding was refused for good; <see cref="Reason"/> says why.</summary>
public sealed class PushBindException(ReasonCode reason, string message) : Exception(message)
{
    /// <summary>The server's reason.</summary>
    public ReasonCode Reason { get; } = reason;
}
