using PushSystem.Client.Routing;
using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

/// <summary>
/// Binds one binding on a connection that is online: asks for a ticket, once for a new one when it is refused, and tries again at
/// growing intervals while the refusal is temporary. Owns nothing; one task runs it; ends with the connection.
/// </summary>
internal sealed class BindAttempts(ClientContext context, ServerConnection connection, PushBinding binding)
{
    private readonly BackOff _backOff = new(context.Options.BackoffBase, context.Options.BackoffCap, context.Options.BackoffReset, context.Jitter);
    private bool _refreshed;

    /// <summary>Runs until it is bound, refused for good or not wanted. Throws only the connection's cancellation.</summary>
    public async Task RunAsync(BindResult? refused)
    {
        var answer = refused;
        while (binding.IsWanted)
        {
            if (answer is { } result)
            {
                if (Judge(result.Code) is not { } wait)
                {
                    connection.Fail(binding, result.Code);
                    return;
                }
                await Delays.For(wait, context.Time, connection.Ending);
                answer = null;
                continue;
            }
            if (await binding.GetTicketAsync(context, connection.Ending) is not { } ticket)
            {
                await Delays.For(_backOff.Next(TimeSpan.Zero), context.Time, connection.Ending);
                continue;
            }
            if (!binding.IsWanted)
                return;
            answer = await connection.BindAsync(binding, ticket);
            if (answer is null or { Code: ReasonCode.Ok })
                return;
            if (answer is { Code: ReasonCode.AlreadyBound })
            {
                // The server holds a session that this side does not know of: a new login clears that up.
                connection.End(new ConnectionEnd(ReasonCode.AlreadyBound, ReconnectAdvice.BackOff, $"{binding} is bound already on this connection"));
                return;
            }
        }
    }

    // How long to wait before the next attempt; null: there is none.
    private TimeSpan? Judge(ReasonCode code)
    {
        switch (code)
        {
            case ReasonCode.TicketExpired or ReasonCode.TicketInvalid or ReasonCode.TicketKeyUnknown or ReasonCode.TicketMismatch:
                if (_refreshed)
                    return null;
                _refreshed = true;
                binding.DropTicket();
                return TimeSpan.Zero;
            case ReasonCode.TooManyBindings or ReasonCode.NotSupported:
                return null;
            default:
                return ReasonCodes.AdviceFor(code) == ReconnectAdvice.Stay ? null : _backOff.Next(TimeSpan.Zero);
        }
    }
}
