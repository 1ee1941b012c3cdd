using System.Globalization;
using System.Text;
using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>One message for one binding. Immutable; owns its bytes, so it may be kept.</summary>
public sealed class ReceivedMessage
{
    internal ReceivedMessage(
        string app, string user, StreamKind stream, bool transient, uint epoch, long seq, PayloadKind kind, long expiresAt,
        ReadOnlyMemory<byte> payload)
    {
        App = app;
        User = user;
        Stream = stream;
        IsTransient = transient;
        Epoch = epoch;
        Seq = seq;
        Kind = kind;
        Payload = payload;
        ExpiresAt = expiresAt is > 0 and <= MaxUnixSeconds ? DateTimeOffset.FromUnixTimeSeconds(expiresAt) : null;
    }

    // The last second that DateTimeOffset can hold; an expiry behind it means the same as none.
    private const long MaxUnixSeconds = 253_402_300_799;

    /// <summary>The app.</summary>
    public string App { get; }
    /// <summary>The user.</summary>
    public string User { get; }
    /// <summary>The user's own mailbox or the app's broadcasts.</summary>
    public StreamKind Stream { get; }
    /// <summary>Not stored anywhere: comes once or not at all, and is not acknowledged.</summary>
    public bool IsTransient { get; }
    /// <summary>Epoch of the stream; 0 when transient.</summary>
    public uint Epoch { get; }
    /// <summary>Position in the stream; 0 when transient.</summary>
    public long Seq { get; }
    /// <summary>How to read the payload.</summary>
    public PayloadKind Kind { get; }
    /// <summary>The business's bytes.</summary>
    public ReadOnlyMemory<byte> Payload { get; }
    /// <summary>After this moment the message is of no use; null = no limit. The client does not drop late ones by itself.</summary>
    public DateTimeOffset? ExpiresAt { get; }

    /// <summary>
    /// The id that the business got from the API for this user: "m" or "b", epoch, "-", seq. Unique within (app, user), the same
    /// when a message comes a second time. Empty when transient.
    /// </summary>
    public string Id => IsTransient ? "" : string.Create(
        CultureInfo.InvariantCulture, $"{(Stream == StreamKind.Mailbox ? 'm' : 'b')}{Epoch}-{Seq}");

    /// <summary>The payload as UTF-8 text; bytes that are not UTF-8 show as replacement characters.</summary>
    public string Text => Encoding.UTF8.GetString(Payload.Span);
}
