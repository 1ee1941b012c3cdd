using PushSystem.Client.Delivery;
using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

// The sessions on the connection: how they begin and end.
internal sealed partial class ServerConnection
{
    /// <summary>Asks for one more binding. Null: the connection ended before the answer.</summary>
    public async Task<BindResult?> BindAsync(PushBinding binding, byte[] ticket)
    {
        var pending = new PendingBind(binding, new TaskCompletionSource<BindResult?>(TaskCreationOptions.RunContinuationsAsynchronously));
        long request;
        lock (_lock)
        {
            request = ++_lastRequest;
            _binds.Add(request, pending);
        }
        _output.Write(new BindMessage(request, RequestFor(binding, ticket)).Write);
        try
        {
            return await pending.Completion.Task.WaitAsync(_context.Options.LoginTimeout, _context.Time, _ended);
        }
        catch (TimeoutException)
        {
            End(ConnectionEnd.Lost($"no answer to BIND of {binding} within {_context.Options.LoginTimeout.TotalSeconds} s"));
            return null;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>
    /// Ends a session from this side: its acknowledgements and UNBIND leave together. Ends when the server has confirmed or the
    /// connection has ended.
    /// </summary>
    public async Task UnbindAsync(ClientSession session)
    {
        _context.Outbox.Detach(session);
        var acks = Acks.Take(force: true);
        _output.Write(output =>
        {
            FrameOutput.WriteAcks(output, acks);
            if (session.Status != SessionStatus.Active)
                return;
            // Set inside the output's lock: no ACK of this session can get behind the UNBIND.
            session.Status = SessionStatus.Ending;
            lock (_lock)
                _uncertain = true;
            new UnbindMessage(session.Index).Write(output, Opcode.Unbind);
        });
        try
        {
            await session.Gone.Task.WaitAsync(_context.Options.LoginTimeout, _context.Time, _ended);
        }
        catch (TimeoutException)
        {
            End(ConnectionEnd.Lost($"no answer to UNBIND of {session.Binding} within {_context.Options.LoginTimeout.TotalSeconds} s"));
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>The handler threw: the binding starts over, so that the message comes again after a wait and no later one before it.</summary>
    public void HandlerFailed(ClientSession session, StreamPosition failed)
    {
        var binding = session.Binding;
        // A message that fails again and again is tried at growing intervals; the first failure of another one starts anew.
        if (binding.LastFailure != failed)
            binding.Retry.Reset();
        binding.LastFailure = failed;
        var wait = binding.Retry.Next(TimeSpan.Zero);
        var attempt = new object();
        lock (_lock)
        {
            // Not ours to start over when something else has begun to.
            if (session.Status != SessionStatus.Active || !_attempting.TryAdd(binding, attempt))
                return;
        }
        Track(StartOverAsync(session, wait, attempt));
    }

    private async Task StartOverAsync(ClientSession session, TimeSpan wait, object attempt)
    {
        // The clock starts now, not after the server's answer.
        var waited = Delays.For(wait, _context.Time, _ended);
        SetState(session.Binding, BindingState.Waiting, ReasonCode.Ok);
        await UnbindAsync(session);
        await AttemptAsync(session.Binding, null, waited, attempt);
    }

    /// <summary>Sees to it that a wanted binding without a session gets one; does nothing when that is under way.</summary>
    public void Ensure(PushBinding binding, BindResult? refused = null, TimeSpan wait = default)
    {
        var attempt = new object();
        lock (_lock)
        {
            if (!binding.IsWanted || _sessions.Values.Any(s => s.Binding == binding && s.Status != SessionStatus.Ended)
                || !_attempting.TryAdd(binding, attempt))
            {
                return;
            }
        }
        Track(AttemptAsync(binding, refused, Delays.For(wait, _context.Time, _ended), attempt));
    }

    private async Task AttemptAsync(PushBinding binding, BindResult? refused, Task wait, object attempt)
    {
        try
        {
            await wait;
            await new BindAttempts(_context, this, binding).RunAsync(refused);
        }
        catch (OperationCanceledException) when (HasEnded)
        {
            // The next connection binds it.
        }
        finally
        {
            lock (_lock)
            {
                // The session may have begun and ended meanwhile, and the next attempt with it.
                if (_attempting.GetValueOrDefault(binding) == attempt)
                    _attempting.Remove(binding);
            }
        }
    }

    /// <summary>Takes the answer to a binding of LOGIN or BIND; returns what the message pump has to know.</summary>
    private OpenedItem Open(PushBinding binding, BindResult result)
    {
        var session = new ClientSession(this, binding, result.AppIndex, _context.Time.GetTimestamp());
        lock (_lock)
        {
            if (!_sessions.TryAdd(result.AppIndex, session))
                throw new ProtocolException(ReasonCode.BadFrame, $"app index {result.AppIndex} was given twice");
            _attempting.Remove(binding);
        }
        return new OpenedItem(session, result.Mailbox, result.Broadcast);
    }

    // The application may have unbound it while the request was under way.
    private void Opened(ClientSession session)
    {
        if (session.Binding.IsWanted)
        {
            _context.Outbox.Attach(session);
            SetState(session.Binding, BindingState.Bound, ReasonCode.Ok);
        }
        if (!session.Binding.IsWanted)
            Track(UnbindAsync(session));
    }

    private OpenedItem? BindOk(in BindOkMessage answer)
    {
        PendingBind? pending;
        lock (_lock)
        {
            if (!_binds.Remove(answer.RequestId, out pending))
                throw new ProtocolException(ReasonCode.UnknownTarget, $"BIND_OK for request {answer.RequestId}, which was never made");
        }
        OpenedItem? item = null;
        if (answer.Result.Code == ReasonCode.Ok)
        {
            item = Open(pending.Binding, answer.Result);
            Opened(item.Session);
        }
        pending.Completion.TrySetResult(answer.Result);
        return item;
    }

    private void UnbindOk(int index)
    {
        var session = FindSession(index, "UNBIND_OK");
        if (session is not { Status: SessionStatus.Ending })
            throw new ProtocolException(ReasonCode.UnexpectedFrame, $"UNBIND_OK for app index {index}, which was not unbound");
        session.Status = SessionStatus.Ended;
        lock (_lock)
            _uncertain = _sessions.Values.Any(s => s.Status == SessionStatus.Ending);
        session.Gone.TrySetResult();
    }

    // A GOAWAY of one binding.
    private void SessionEnded(ClientSession session, GoAwayMessage goAway)
    {
        var wasActive = session.Status == SessionStatus.Active;
        session.Status = SessionStatus.Ended;
        session.Gone.TrySetResult();
        _context.Outbox.Detach(session);
        if (!wasActive)
            return;
        if (goAway.Advice == ReconnectAdvice.Stay)
        {
            Fail(session.Binding, goAway.Reason);
            return;
        }
        var wait = goAway is { Advice: ReconnectAdvice.Window, WindowMilliseconds: > 0 }
            ? _context.Jitter.Between(TimeSpan.Zero, TimeSpan.FromMilliseconds(goAway.WindowMilliseconds))
            : session.Binding.Retry.Next(_context.Time.GetElapsedTime(session.BoundAt));
        Ensure(session.Binding, null, wait);
        SetState(session.Binding, BindingState.Waiting, goAway.Reason);
    }

    /// <summary>The binding is refused or ended for good; with no other left the connection is of no use.</summary>
    public void Fail(PushBinding binding, ReasonCode reason)
    {
        if (SetState(binding, BindingState.Failed, reason))
            _context.Outbox.Fail(binding, reason, $"the binding ended: {reason}");
        _context.Bindings.Signal();
    }

    /// <summary>Sets a binding's state and tells the application.</summary>
    public bool SetState(PushBinding binding, BindingState state, ReasonCode reason)
    {
        if (!binding.TrySet(state, reason))
            return false;
        _context.OnBinding(new BindingChange(binding, state, reason));
        return true;
    }

    private static BindRequest RequestFor(PushBinding binding, byte[] ticket) =>
        new(binding.App, binding.User, ticket, Pull: false, binding.Mailbox.Position, binding.Broadcast.Position);
}
