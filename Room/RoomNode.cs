using System.Net;
using PushSystem.Contracts;
using PushSystem.Room.Connections;
using PushSystem.Room.Sessions;

namespace PushSystem.Room;

/// <summary>
/// A room: holds client connections and delivers to them. It owns its sessions, shards' parts and background loops, not the
/// engine. Any thread may call it; sessions are touched on their shards' turns only. Its maker starts, drains and disposes it, and
/// disposes the engine afterwards.
/// </summary>
public sealed class RoomNode : IRoomNode, IAsyncDisposable
{
    private static readonly TimeSpan DrainPoll = TimeSpan.FromMilliseconds(50);

    private readonly RoomContext _context;
    private int _started;
    private int _disposed;

    /// <summary>Throws <see cref="ArgumentException"/> when a setting is out of range.</summary>
    public RoomNode(RoomIdentity identity, RoomServices services, RoomOptions options)
    {
        options.Validate();
        if (string.IsNullOrEmpty(identity.NodeId) || identity.Incarnation <= 0)
            throw new ArgumentException("A room needs a node id and an incarnation above 0", nameof(identity));
        _context = new RoomContext(identity, services, options);
        for (var i = 0; i < _context.Shards.Length; i++)
            _context.Shards[i] = new RoomShard(_context, services.Engine.Shards[i]);
    }

    /// <summary>Who this room is.</summary>
    public RoomIdentity Identity => _context.Identity;

    /// <summary>Where clients connect; valid after <see cref="StartAsync"/>.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => _context.Services.Engine.EndPoints;

    /// <summary>Open connections now.</summary>
    public int Connections => (int)_context.Metrics.Connections;

    /// <summary>Bound sessions now, those of lost connections in their grace period included.</summary>
    public int Sessions => (int)_context.Metrics.Sessions;

    /// <summary>Takes no new clients.</summary>
    public bool Draining => _context.Draining;

    internal RoomContext Context => _context;

    /// <summary>Listens. Throws when an address is taken.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _started, 1) != 0)
            throw new InvalidOperationException("The room was already started.");
        await _context.Services.Engine.StartAsync(shard => new ShardHandler(_context.Shards[shard.Index]), cancellationToken);
        RoomLog.Started(_context.Logger, Identity.NodeId, Identity.Incarnation, string.Join(", ", EndPoints));
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken)
    {
        if (items.Count == 0)
            return [];
        var bytes = 0L;
        for (var i = 0; i < items.Count; i++)
            bytes += items[i].Payload.Length;
        await _context.DeliverGate.EnterAsync(cancellationToken);
        var withPayloads = _context.DeliverGate.TryReserve(bytes);
        try
        {
            var batch = new DeliverBatch(_context, items, withPayloads);
            batch.Start();
            return await batch.Task;
        }
        finally
        {
            if (withPayloads)
                _context.DeliverGate.Return(bytes);
            _context.DeliverGate.Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken)
    {
        if (items.Count == 0)
            return [];
        cancellationToken.ThrowIfCancellationRequested();
        var batch = new KickBatch(_context, items);
        batch.Start();
        return await batch.Task;
    }

    /// <inheritdoc/>
    public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<FanoutProgress>(_context.Broadcaster.Execute(command));
    }

    /// <summary>
    /// Stops listening, sends every client away over half of <paramref name="timeout"/>, tells the stores what they have to know.
    /// Completes when all of it is done (true) or the time is over (false).
    /// </summary>
    public async Task<bool> DrainAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        var time = _context.Time;
        var started = time.GetTimestamp();
        _context.Draining = true;
        RoomLog.Draining(_context.Logger, Identity.NodeId, Connections, timeout);
        await _context.Services.Engine.StopListeningAsync();
        foreach (var shard in _context.Shards)
            shard.Post(static begin => begin.Shard.Drain.Begin(begin.Spread), (Shard: shard, Spread: timeout / 2));
        while (!IsQuiet() && time.GetElapsedTime(started) < timeout)
            await Task.Delay(DrainPoll, time, cancellationToken);
        RoomLog.Drained(_context.Logger, Identity.NodeId, Connections);
        return IsQuiet();
    }

    /// <summary>Ends the background loops. Does not send anybody away: see <see cref="DrainAsync"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            await _context.DisposeAsync();
    }

    private bool IsQuiet() =>
        Array.TrueForAll(_context.Shards, shard => shard.Drain.IsQuiet) && _context.Unregistrar.IsIdle && _context.Presence.IsIdle;
}
