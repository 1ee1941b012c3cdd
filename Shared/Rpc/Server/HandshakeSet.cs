namespace PushSystem.Rpc.Server;

/// <summary>
/// The handshakes under way. It owns a cancellation source for each; any thread adds. A handshake too many ends the oldest one: whoever
/// holds connections open in silence cannot keep nodes out, because theirs take milliseconds.
/// </summary>
internal sealed class HandshakeSet(int limit)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Running> _running = [];

    public int Count
    {
        get
        {
            lock (_lock)
                return _running.Count;
        }
    }

    /// <summary>Runs a handshake, which must not throw.</summary>
    public void Run(Func<CancellationToken, Task> handshake)
    {
        Running? oldest = null;
        var added = new Running();
        lock (_lock)
        {
            if (_running.Count >= limit)
            {
                oldest = _running.First!.Value;
                _running.RemoveFirst();
            }
            var node = _running.AddLast(added);
            added.Task = Task.Run(async () =>
            {
                await handshake(added.Source.Token);
                lock (_lock)
                {
                    if (node.List is not null)
                        _running.Remove(node);
                }
            });
        }
        oldest?.Source.Cancel();
    }

    /// <summary>Completes when none of those that count runs any more.</summary>
    public Task WhenAll()
    {
        lock (_lock)
            return Task.WhenAll(_running.Select(static running => running.Task));
    }

    private sealed class Running
    {
        // Has no timer and no wait handle: nothing to dispose.
        public CancellationTokenSource Source { get; } = new();

        public Task Task { get; set; } = Task.CompletedTask;
    }
}
