using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

/// <summary>
/// Why a connection, or an attempt to make one, ended and what the end means for the next one.
/// <see cref="Window"/> counts with advice Window only; <see cref="NotBefore"/> is a lower bound for any wait.
/// </summary>
internal sealed record ConnectionEnd(ReasonCode Reason, ReconnectAdvice Advice, string Detail)
{
    /// <summary>Return at a random moment inside.</summary>
    public TimeSpan Window { get; init; }

    /// <summary>Do not return earlier.</summary>
    public TimeSpan NotBefore { get; init; }

    /// <summary>The network failed, so the room may keep the session: RESUME is worth a try.</summary>
    public bool MayResume { get; init; }

    /// <summary>The server said it in a frame, so another address would not say anything else.</summary>
    public bool FromServer { get; init; }

    /// <summary>The application stops the client.</summary>
    public static ConnectionEnd Stopping { get; } = new(ReasonCode.Ok, ReconnectAdvice.Stay, "the application stopped the client");

    /// <summary>Nothing is bound any more.</summary>
    public static ConnectionEnd Unused { get; } = new(ReasonCode.Ok, ReconnectAdvice.BackOff, "nothing is bound any more");

    /// <summary>The connection broke or was closed without a word.</summary>
    public static ConnectionEnd Lost(string detail) => new(ReasonCode.Ok, ReconnectAdvice.BackOff, detail) { MayResume = true };

    /// <summary>The server sent what it must not send.</summary>
    public static ConnectionEnd Violation(string detail) => new(ReasonCode.BadFrame, ReconnectAdvice.BackOff, detail);

    /// <summary>An ERROR frame.</summary>
    public static ConnectionEnd From(ErrorMessage error) => new(error.Code, Known(error.Advice), error.Text)
    {
        Window = TimeSpan.FromMilliseconds(error.WindowMilliseconds),
        FromServer = true,
    };

    /// <summary>A GOAWAY of the connection.</summary>
    public static ConnectionEnd From(GoAwayMessage goAway) => new(goAway.Reason, Known(goAway.Advice), $"the server sent the client away: {goAway.Reason}")
    {
        Window = TimeSpan.FromMilliseconds(goAway.WindowMilliseconds),
        FromServer = true,
    };

    // An advice of a later version is not known here; the ordinary back-off is always safe.
    private static ReconnectAdvice Known(ReconnectAdvice advice) => advice <= ReconnectAdvice.Window ? advice : ReconnectAdvice.BackOff;
}
