namespace PushSystem.Rpc;

/// <summary>How a call ended. Travels as one byte; numbers are only added to.</summary>
public enum RpcStatus : byte
{
    /// <summary>Answered.</summary>
    Ok = 0,
    /// <summary>The deadline passed. If the call had been sent, its outcome is unknown.</summary>
    Expired = 1,
    /// <summary>Refused at once because too much is in flight; nothing was done.</summary>
    Busy = 2,
    /// <summary>The link died after the call had been sent: the outcome is unknown.</summary>
    LinkLost = 3,
    /// <summary>There is no link to the peer and the call was not sent: nothing was done.</summary>
    Unreachable = 4,
    /// <summary>The peer does not know the method (an older version); nothing was done.</summary>
    UnknownMethod = 5,
    /// <summary>The peer could not read the request or found it wrong; nothing was done.</summary>
    BadRequest = 6,
    /// <summary>The handler failed: the outcome is unknown.</summary>
    Failed = 7,
    /// <summary>The peer's store did not answer: the outcome is unknown.</summary>
    StoreUnavailable = 8,
    /// <summary>The caller or the peer does not own the work, or is not who the call was meant for; nothing was done.</summary>
    Fenced = 9,
    /// <summary>The peer is stopping; nothing was done.</summary>
    Stopping = 10,
}

/// <summary>A call that did not end with <see cref="RpcStatus.Ok"/>. A handler throws it to answer with a status of its choice.</summary>
public sealed class RpcException(RpcStatus status, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How it ended; never Ok.</summary>
    public RpcStatus Status { get; } = status;

    /// <summary>True when the peer has certainly done nothing, so that the call may be repeated elsewhere.</summary>
    public bool IsUndone => Status is RpcStatus.Busy or RpcStatus.Unreachable or RpcStatus.UnknownMethod or RpcStatus.BadRequest
        or RpcStatus.Fenced or RpcStatus.Stopping;
}
