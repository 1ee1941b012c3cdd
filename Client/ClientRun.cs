using PushSystem.Client.Connections;
using PushSystem.Client.Delivery;
using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>
/// The time from a start to the next stop: the message pump and the connection loop, and the order in which they end.
/// Owns both tasks; the client makes it and stops it from any thread; ends by itself when the server says to stay away.
/// </summary>
internal sealed class ClientRun
{
    private readonly ClientContext _context;
    private readonly ConnectionLoop _loop;
    private readonly Action<StateChange> _onState;
    private readonly TaskCompletionSource _stopRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ClientRun(ClientContext context, ConnectionLoop loop, Func<ReceivedMessage, ValueTask> handler, Action<StateChange> onState)
    {
        _context = context;
        _loop = loop;
        _onState = onState;
        Completion = Task.Run(() => RunAsync(new MessagePump(context, handler)));
    }

    /// <summary>Ends when everything has ended; never fails.</summary>
    public Task Completion { get; }

    /// <summary>Ends it in good order.</summary>
    public Task StopAsync()
    {
        _stopRequested.TrySetResult();
        return Completion;
    }

    private async Task RunAsync(MessagePump messagePump)
    {
        using var pumpStop = new CancellationTokenSource();
        using var loopStop = new CancellationTokenSource();
        var pump = messagePump.RunAsync(pumpStop.Token);
        var loop = _loop.RunAsync(loopStop.Token);
        await Task.WhenAny(_stopRequested.Task, loop, pump);

        // The handler first: what it completes now is still acknowledged.
        await pumpStop.CancelAsync();
        var end = ConnectionEnd.Stopping;
        try
        {
            await pump.WaitAsync(_context.Options.StopTimeout, _context.Time);
        }
        catch (TimeoutException)
        {
            _context.OnError(new ClientError(ClientErrorKind.Handler,
                $"the handler did not end within {_context.Options.StopTimeout.TotalSeconds} s; its message is not acknowledged", null));
        }
        catch (Exception e)
        {
            end = Fault(e);
        }
        await loopStop.CancelAsync();
        try
        {
            var loopEnd = await loop;
            end = loopEnd == ConnectionEnd.Stopping ? end : loopEnd;
        }
        catch (Exception e)
        {
            end = Fault(e);
        }

        _context.Outbox.SetOpen(false);
        foreach (var binding in _context.Bindings.All)
            _context.Outbox.Fail(binding, end.Reason, "the client stopped");
        _onState(new StateChange(ClientState.Stopped, end.Reason, null, end.Detail));
    }

    private ConnectionEnd Fault(Exception e)
    {
        _context.OnError(new ClientError(ClientErrorKind.Protocol, "a fault in the client stopped it", e));
        return new ConnectionEnd(ReasonCode.InternalError, ReconnectAdvice.Stay, e.Message);
    }
}
