using PushSystem.Rpc.Calls;
using PushSystem.Rpc.Links;

namespace PushSystem.Rpc.Client;

/// <summary>Opening, losing and opening again.</summary>
internal sealed partial class NodeLink
{
    /// <summary>Keeps the connection alive and its deadlines.</summary>
    public void Tick(long now)
    {
        if (_asked)
        {
            _asked = false;
            Volatile.Write(ref _lastAsked, now);
        }
        _connection?.Tick(now);
    }

    /// <summary>Forgets a link that is not open and that nobody asked for lately. A caller that still has it is passed on.</summary>
    public bool TryRetire(long now)
    {
        lock (_lock)
        {
            if (_connection is not null || !_loop.IsCompleted || now - _lastAsked < owner.Clock.Ticks(owner.Options.AbandonAfter))
                return false;
            return _retired = true;
        }
    }

    /// <summary>Closes the connection and waits for everything that runs. <see cref="NodeLinks.Stopping"/> is set before.</summary>
    public async Task CloseAsync()
    {
        Task loop;
        lock (_lock)
            loop = _loop;
        var before = _connection;
        before?.Close(LinkEnd.Stopped, "the links are closed");
        await loop;
        // The loop may have opened one just now.
        var after = _connection;
        after?.Close(LinkEnd.Stopped, "the links are closed");
        foreach (var connection in new[] { before, after })
        {
            if (connection is not null)
                await connection.Ended;
        }
    }

    /// <summary>
    /// The connection and the time that is left: at once if it is open, after the attempt if one is under way. Throws what the call ends with.
    /// </summary>
    private async ValueTask<(ClientConnection Connection, TimeSpan Left)> OpenAsync(MethodStats stats, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (timeout <= TimeSpan.Zero)
                throw new RpcException(RpcStatus.Expired, "no time was left when the call was made");
            if (timeout > LongestTimeout)
                timeout = LongestTimeout;
            if (_connection is { } open)
                return (open, timeout);
            if (_retired && owner.Link(address) is var newer && newer != this)
                return await newer.OpenAsync(stats, timeout, cancellationToken);
            if (Interlocked.Increment(ref _waiting) > owner.Options.MaxInFlight)
            {
                Interlocked.Decrement(ref _waiting);
                throw new RpcException(RpcStatus.Busy, "too many calls wait for the link to open (Rpc:MaxInFlight)");
            }
            try
            {
                var started = owner.Clock.Now;
                var connection = await Opening().WaitAsync(timeout, owner.Clock.Provider, cancellationToken);
                var rest = timeout - TimeSpan.FromSeconds(owner.Clock.Seconds(owner.Clock.Now - started));
                if (rest <= TimeSpan.Zero)
                    throw new TimeoutException();
                return (connection, rest);
            }
            catch (TimeoutException)
            {
                throw new RpcException(RpcStatus.Expired, $"the deadline passed before the link to node '{address.NodeId}' was open; nothing was sent");
            }
            finally
            {
                Interlocked.Decrement(ref _waiting);
            }
        }
        catch (RpcException e)
        {
            stats.Ended(e.Status, 0);
            throw;
        }
    }

    private Task<ClientConnection> Opening()
    {
        lock (_lock)
        {
            _lastAsked = owner.Clock.Now;
            if (_connection is { } open)
                return Task.FromResult(open);
            if (_opening is { } opening)
                return opening.Task;
            if (owner.Stopping.IsCancellationRequested)
                return Task.FromException<ClientConnection>(Unreachable("the links are closed"));
            if (!_loop.IsCompleted)
                return Task.FromException<ClientConnection>(Unreachable(_lastError));
            return Begin(immediately: true).Task;
        }
    }

    /// <summary>Starts the loop that opens; the caller holds the lock.</summary>
    private TaskCompletionSource<ClientConnection> Begin(bool immediately)
    {
        var opening = new TaskCompletionSource<ClientConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Nobody may wait for it: its error is in the log and the metrics already.
        _ = opening.Task.ContinueWith(static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        _opening = immediately ? opening : null;
        _loop = Task.Run(() => OpenLoopAsync(opening, immediately));
        return opening;
    }

    private async Task OpenLoopAsync(TaskCompletionSource<ClientConnection> opening, bool immediately)
    {
        try
        {
            while (true)
            {
                if (!immediately)
                    await Task.Delay(BackOff(), owner.Clock.Provider, owner.Stopping);
                immediately = false;
                if (await TryOpenAsync(opening))
                    return;
                lock (_lock)
                {
                    if (owner.Clock.Now - _lastAsked > owner.Clock.Ticks(owner.Options.AbandonAfter))
                        return;
                }
            }
        }
        catch (OperationCanceledException) when (owner.Stopping.IsCancellationRequested)
        {
            Failed(opening, "the links are closed");
        }
        catch (Exception e)
        {
            RpcLog.OpenFault(owner.Logger, address.NodeId, e);
            Failed(opening, e.Message);
        }
    }

    private async Task<bool> TryOpenAsync(TaskCompletionSource<ClientConnection> opening)
    {
        try
        {
            var connection = await Connector.OpenAsync(address, owner, OnConnectionClosed);
            lock (_lock)
            {
                _connection = connection;
                _opening = null;
            }
            RpcLog.LinkOpened(owner.Logger, address.NodeId, address.Host, address.Port);
            owner.Metrics.Opened();
            connection.Start();
            opening.TrySetResult(connection);
            return true;
        }
        catch (Exception e) when (Connector.IsExpected(e))
        {
            owner.Stopping.ThrowIfCancellationRequested();
            var reason = e is OperationCanceledException ? "no answer within Rpc:ConnectTimeout" : e.Message;
            if (_failures == 0)
                RpcLog.OpenFailed(owner.Logger, address.NodeId, address.Host, address.Port, reason);
            else
                RpcLog.OpenFailedAgain(owner.Logger, address.NodeId, address.Host, address.Port, _failures + 1, reason);
            owner.Metrics.OpenFailed();
            Failed(opening, reason);
            return false;
        }
    }

    private void Failed(TaskCompletionSource<ClientConnection> opening, string reason)
    {
        lock (_lock)
        {
            _failures = Math.Min(_failures + 1, 30);
            _lastError = reason;
            if (_opening == opening)
                _opening = null;
        }
        opening.TrySetException(Unreachable(reason));
    }

    /// <summary>A connection has ended. One that lived is opened again at once, one that did not after a delay.</summary>
    private void OnConnectionClosed(ClientConnection connection, LinkEnd end, string reason)
    {
        lock (_lock)
        {
            if (_connection != connection)
                return;
            _connection = null;
            var lived = owner.Clock.Now - connection.OpenedAt >= owner.Clock.Ticks(owner.Options.MaxBackOff);
            _failures = lived ? 0 : Math.Min(_failures + 1, 30);
            _lastError = reason;
            var wanted = owner.Clock.Now - _lastAsked < owner.Clock.Ticks(owner.Options.AbandonAfter);
            if (!owner.Stopping.IsCancellationRequested && (_asked || wanted))
                Begin(immediately: lived);
        }
        RpcLog.LinkEnded(owner.Logger, address.NodeId, end, reason);
        owner.Metrics.Closed(end);
    }

    private TimeSpan BackOff()
    {
        var longest = Math.Min(owner.Options.MaxBackOff.TotalMilliseconds, owner.Options.BackOff.TotalMilliseconds * Math.Pow(2, Math.Max(0, _failures - 1)));
        return TimeSpan.FromMilliseconds(longest * (1 - Random.Shared.NextDouble() / 2));
    }

    private RpcException Unreachable(string reason) =>
        new(RpcStatus.Unreachable, $"node '{address.NodeId}' at {address.Host}:{address.Port} is not reachable: {reason}");
}
