using System.Diagnostics.CodeAnalysis;

namespace PushSystem.Protocol;

/// <summary>The peer sent bytes that no later byte can make valid. The only exception that reading ever throws.</summary>
public sealed class ProtocolException(ReasonCode code, string message) : Exception(message)
{
    /// <summary>The reason to send in ERROR before closing.</summary>
    public ReasonCode Code { get; } = code;

    // Kept out of line so that the readers that may throw stay small enough to inline.
    [DoesNotReturn]
    internal static void ThrowBadFrame(string message) => throw new ProtocolException(ReasonCode.BadFrame, message);

    [DoesNotReturn]
    internal static void ThrowTooLarge(Opcode opcode, int length, int limit) => throw new ProtocolException(
        ReasonCode.FrameTooLarge, $"frame {(byte)opcode}: body of {length} bytes exceeds the limit of {limit}");
}
