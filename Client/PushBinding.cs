using PushSystem.Client.Connections;
using PushSystem.Client.Delivery;
using PushSystem.Client.Routing;
using PushSystem.Client.Storage;
using PushSystem.Client.Upstream;
using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>
/// One (app, user) that the client keeps bound, over any number of connections.
/// Owns its ticket and its place in the streams; public members are thread-safe; ended by
/// <see cref="PushClient.UnbindAsync(string, string, CancellationToken)"/>, nothing to dispose.
/// </summary>
public sealed class PushBinding
{
    private readonly Lock _lock = new();
    private readonly Func<CancellationToken, ValueTask<string>> _ticketProvider;
    private TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private BindingState _state;
    private byte[]? _ticket;

    internal PushBinding(
        string app, string user, Func<CancellationToken, ValueTask<string>> ticketProvider, StateStore store, UserState state, BackOff retry)
    {
        App = app;
        User = user;
        _ticketProvider = ticketProvider;
        UserState = state;
        Mailbox = new StreamTracker(store, state, StreamKind.Mailbox);
        Broadcast = new StreamTracker(store, state, StreamKind.Broadcast);
        Retry = retry;
    }

    /// <summary>The app.</summary>
    public string App { get; }
    /// <summary>The user.</summary>
    public string User { get; }

    /// <summary>What it is doing now.</summary>
    public BindingState State
    {
        get
        {
            lock (_lock)
                return _state;
        }
    }

    internal UserState UserState { get; }
    internal StreamTracker Mailbox { get; }
    internal StreamTracker Broadcast { get; }

    /// <summary>Waits between attempts to bind; used by one attempt at a time.</summary>
    internal BackOff Retry { get; }

    /// <summary>The session on the connection of now; guarded by the outbox's lock.</summary>
    internal ClientSession? Session { get; set; }

    /// <summary>Upstream messages without an answer, by id; guarded by the outbox's lock.</summary>
    internal SortedDictionary<long, PendingSend> Pending { get; } = [];

    /// <summary>The message that the handler failed on last; used by the pump only.</summary>
    internal StreamPosition LastFailure { get; set; }

    internal bool IsWanted => State is BindingState.Waiting or BindingState.Bound;

    internal byte[]? CachedTicket
    {
        get
        {
            lock (_lock)
                return _ticket;
        }
    }

    /// <summary>
    /// Waits until it is bound. Throws <see cref="PushBindException"/> when it is refused for good and
    /// <see cref="OperationCanceledException"/> when the application unbinds it.
    /// </summary>
    public Task WaitBoundAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock)
            return _settled.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{App}/{User}";

    internal StreamTracker Tracker(StreamKind stream) => stream == StreamKind.Broadcast ? Broadcast : Mailbox;

    /// <summary>Changes the state; false when nothing changed or the application had unbound it.</summary>
    internal bool TrySet(BindingState state, ReasonCode reason)
    {
        TaskCompletionSource settled;
        lock (_lock)
        {
            if (_state == state || _state is BindingState.Unbound or BindingState.Failed)
                return false;
            _state = state;
            if (_settled.Task.IsCompleted)
                _settled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            settled = _settled;
        }
        switch (state)
        {
            case BindingState.Bound:
                settled.TrySetResult();
                break;
            case BindingState.Failed:
                settled.TrySetException(new PushBindException(reason, $"{this} was refused: {reason}"));
                // Nobody has to wait for it; an unobserved exception would end up in a global handler.
                _ = settled.Task.Exception;
                break;
            case BindingState.Unbound:
                settled.TrySetCanceled();
                break;
        }
        return true;
    }

    /// <summary>Forgets a ticket that was refused.</summary>
    internal void DropTicket()
    {
        lock (_lock)
            _ticket = null;
    }

    /// <summary>The ticket at hand or a new one from the provider; null after an error, which was told.</summary>
    internal async Task<byte[]?> GetTicketAsync(ClientContext context, CancellationToken cancellationToken)
    {
        if (CachedTicket is { } cached)
            return cached;
        using var limit = new CancellationTokenSource(context.Options.TicketTimeout, context.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            // WaitAsync: a provider that ignores its token must not hold up the client.
            var text = await _ticketProvider(both.Token).AsTask().WaitAsync(both.Token);
            if (text is null || !Ticket.TryParseText(text, out var ticket) || ticket.Length == 0)
            {
                context.OnError(new ClientError(ClientErrorKind.TicketProvider, $"the ticket provider of {this} gave no ticket in text form", null));
                return null;
            }
            lock (_lock)
                _ticket = ticket;
            return ticket;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e)
        {
            context.OnError(new ClientError(ClientErrorKind.TicketProvider, limit.IsCancellationRequested
                ? $"the ticket provider of {this} gave no ticket within {context.Options.TicketTimeout.TotalSeconds} s"
                : $"the ticket provider of {this} failed: {e.Message}", e));
            return null;
        }
    }
}
