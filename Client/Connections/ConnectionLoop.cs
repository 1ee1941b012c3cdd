using System.Net.Sockets;
using PushSystem.Client.Routing;
using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

/// <summary>
/// Keeps the client online: finds a room, connects, logs in, waits for the end, waits as told, again.
/// Owns the route table, the back-off and the one connection of now; one task runs it, other threads only read
/// <see cref="Current"/>; disposed by the client.
/// </summary>
internal sealed class ConnectionLoop : IDisposable
{
    private static readonly TimeSpan MaxWindow = TimeSpan.FromHours(1);

    private readonly ClientContext _context;
    private readonly Action<StateChange> _onState;
    private readonly BackOff _backOff;
    private readonly RouteTable _routes;
    private volatile TaskCompletionSource _retryNow = new(TaskCreationOptions.RunContinuationsAsynchronously);
#pragma warning disable CA2213 // Disposed by the round that made it.
    private volatile ServerConnection? _current;
#pragma warning restore CA2213
    private ResumeOffer? _resume;

    public ConnectionLoop(ClientContext context, Action<StateChange> onState)
    {
        _context = context;
        _onState = onState;
        _backOff = new BackOff(context.Options.BackoffBase, context.Options.BackoffCap, context.Options.BackoffReset, context.Jitter);
        _routes = new RouteTable(context, _backOff);
    }

    /// <summary>The connection that is online, if any.</summary>
    public ServerConnection? Current => _current;

    /// <summary>Ends a wait between two attempts.</summary>
    public void RetryNow() => _retryNow.TrySetResult();

    /// <summary>Runs until <paramref name="stop"/> or until the server says to stay away; the end says which.</summary>
    public async Task<ConnectionEnd> RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await WaitWantedAsync(stop);
                _onState(new StateChange(ClientState.Connecting, ReasonCode.Ok, null, ""));
                var (end, lived) = await OnceAsync(stop);
                if (stop.IsCancellationRequested)
                    return ConnectionEnd.Stopping;
                if (end.Advice == ReconnectAdvice.Stay)
                    return end;
                if (end != ConnectionEnd.Unused)
                    await BackOffAsync(end, lived, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ConnectionEnd.Stopping;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _routes.Dispose();

    private async Task WaitWantedAsync(CancellationToken stop)
    {
        var told = false;
        while (true)
        {
            var changed = _context.Bindings.Changed;
            if (_context.Bindings.Wanted.Count > 0)
                return;
            if (!told)
                _onState(new StateChange(ClientState.Idle, ReasonCode.Ok, null, "nothing is bound"));
            told = true;
            await changed.WaitAsync(stop);
        }
    }

    private async Task BackOffAsync(ConnectionEnd end, TimeSpan lived, CancellationToken stop)
    {
        var window = end.Window < MaxWindow ? end.Window : MaxWindow;
        var wait = end.Advice == ReconnectAdvice.Window && window > TimeSpan.Zero
            ? _context.Jitter.Between(TimeSpan.Zero, window)
            : _backOff.Next(lived);
        if (wait < end.NotBefore)
            wait = _context.Jitter.Between(end.NotBefore, end.NotBefore * 1.25);
        var retryNow = _retryNow = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var cancelDelay = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var delay = Delays.For(wait, _context.Time, cancelDelay.Token);
        _onState(new StateChange(ClientState.BackingOff, end.Reason, wait, end.Detail));
        await Task.WhenAny(delay, retryNow.Task);
        await cancelDelay.CancelAsync();
        stop.ThrowIfCancellationRequested();
    }

    // One round: attempts until one is online, then its whole life.
    private async Task<(ConnectionEnd End, TimeSpan Lived)> OnceAsync(CancellationToken stop)
    {
        var resume = TakeResume();
        List<(PushBinding, byte[])>? tickets = null;
        var tried = new HashSet<RoomEndpoint>();
        var end = new ConnectionEnd(ReasonCode.Ok, ReconnectAdvice.BackOff, "no address of a room is known");
        var candidates = _routes.TakePreferred(resume?.Endpoint);
        for (var pass = 0; pass < 2; pass++)
        {
            if (pass == 1)
            {
                if (_context.Bindings.Wanted is not [var first, ..])
                    return (ConnectionEnd.Unused, TimeSpan.Zero);
                var plan = await _routes.PlanAsync(first.App, first.User, stop);
                candidates = plan.Candidates;
                end = end with { NotBefore = plan.RetryAfter, Detail = plan.Detail.Length > 0 ? plan.Detail : end.Detail };
            }
            foreach (var endpoint in candidates)
            {
                if (!tried.Add(endpoint))
                    continue;
                var offer = resume?.Endpoint == endpoint ? resume : null;
                // Without anything to resume, tickets are needed before connecting: a room waits only so long for the login.
                if (offer is null)
                    tickets ??= await GetTicketsAsync(stop);
                if (offer is null && tickets is [])
                    return (new ConnectionEnd(ReasonCode.Ok, ReconnectAdvice.BackOff, "no ticket provider gave a ticket"), TimeSpan.Zero);
                var (attempt, lived) = await TryAsync(endpoint, offer, tickets ?? CachedTickets(), stop);
                if (lived is { } time)
                    return (attempt, time);
                end = attempt with { NotBefore = end.NotBefore };
                if (attempt.FromServer || stop.IsCancellationRequested)
                    return (end, TimeSpan.Zero);
            }
        }
        return (end, TimeSpan.Zero);
    }

    // One address: connect, log in, live. Lived is null when it did not come to a login.
    private async Task<(ConnectionEnd End, TimeSpan? Lived)> TryAsync(
        RoomEndpoint endpoint, ResumeOffer? resume, IReadOnlyList<(PushBinding, byte[])> tickets, CancellationToken stop)
    {
        var (socket, failure) = await ConnectAsync(endpoint, stop);
        if (socket is null)
        {
            _routes.Failed(endpoint);
            return (failure!, null);
        }
        await using var connection = new ServerConnection(_context, socket, endpoint);
        if (await connection.LoginAsync(resume, tickets, stop) is { } refused)
        {
            _routes.Failed(endpoint);
            if (refused.FromServer)
                _routes.SentAway(endpoint, refused.Reason, connection.NamedAddresses);
            return (refused, null);
        }
        ClientMetrics.Connections.Add(1);
        _routes.Succeeded(endpoint, connection.Settings);
        _current = connection;
        try
        {
            _onState(new StateChange(ClientState.Online, ReasonCode.Ok, null, endpoint.ToString()));
            var end = await LiveAsync(connection, stop);
            if (end.FromServer)
                _routes.SentAway(endpoint, end.Reason, connection.NamedAddresses);
            _resume = connection.OfferResume();
            return (end, _context.Time.GetElapsedTime(connection.OnlineSince));
        }
        finally
        {
            _current = null;
        }
    }

    private async Task<ConnectionEnd> LiveAsync(ServerConnection connection, CancellationToken stop)
    {
        var run = connection.RunAsync(stop);
        while (!run.IsCompleted)
        {
            var changed = _context.Bindings.Changed;
            if (_context.Bindings.Wanted.Count == 0)
            {
                await connection.FinishAsync(ConnectionEnd.Unused);
                break;
            }
            await Task.WhenAny(run, changed);
        }
        // The bindings wait from now on; those bound on the next connection say so themselves.
        var end = await run;
        foreach (var binding in _context.Bindings.Wanted)
            connection.SetState(binding, BindingState.Waiting, end.Reason);
        return end;
    }

    private async Task<(Socket? Socket, ConnectionEnd? Failure)> ConnectAsync(RoomEndpoint endpoint, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(_context.Options.ConnectTimeout, _context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint.Host, endpoint.Port, either.Token);
            return (socket, null);
        }
        catch (OperationCanceledException)
        {
            socket.Dispose();
            return (null, stop.IsCancellationRequested
                ? ConnectionEnd.Stopping
                : ConnectionEnd.Lost($"{endpoint} did not answer within {_context.Options.ConnectTimeout.TotalSeconds} s"));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            return (null, ConnectionEnd.Lost($"{endpoint} could not be reached: {e.Message}"));
        }
    }

    // An offer counts once, while it is fresh and everything in it is still wanted.
    private ResumeOffer? TakeResume()
    {
        var offer = _resume;
        _resume = null;
        return offer is not null && _context.Time.GetElapsedTime(offer.LostAt) < offer.Validity
            && offer.Sessions.Count > 0 && offer.Sessions.All(s => s.Binding.IsWanted) ? offer : null;
    }

    private async Task<List<(PushBinding, byte[])>> GetTicketsAsync(CancellationToken stop)
    {
        var wanted = _context.Bindings.Wanted;
        var tickets = await Task.WhenAll(wanted.Select(b => b.GetTicketAsync(_context, stop)));
        var found = new List<(PushBinding, byte[])>();
        for (var i = 0; i < wanted.Count; i++)
        {
            if (tickets[i] is { } ticket)
                found.Add((wanted[i], ticket));
        }
        return found;
    }

    private List<(PushBinding, byte[])> CachedTickets()
    {
        var found = new List<(PushBinding, byte[])>();
        foreach (var binding in _context.Bindings.Wanted)
        {
            if (binding.CachedTicket is { } ticket)
                found.Add((binding, ticket));
        }
        return found;
    }
}
