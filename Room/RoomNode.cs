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
    private readonly Lock _identityLock = new();
    private volatile IncarnationView _view;
    private int _started;
    private int _disposed;

    /// <summary>Throws <see cref="ArgumentException"/> when a setting is out of range.</summary>
    public RoomNode(RoomIdentity identity, RoomServices services, RoomOptions options)
    {
        options.Validate(services.MaxOutputBytes);
        if (string.IsNullOrEmpty(identity.NodeId) || identity.Incarnation <= 0)
            throw new ArgumentException("A room needs a node id and an incarnation above 0", nameof(identity));
        _context = new RoomContext(identity, services, options);
        _view = new IncarnationView(this, identity.Incarnation);
        for (var i = 0; i < _context.Shards.Length; i++)
            _context.Shards[i] = new RoomShard(_context, services.Engine.Shards[i]);
    }

    /// <summary>Who this room is now; see <see cref="RenewAsync"/>.</summary>
    public RoomIdentity Identity => _context.Identity;

    /// <summary>Where clients connect; valid after <see cref="StartAsync"/>.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => _context.Services.Engine.EndPoints;

    /// <summary>Open connections now.</summary>
    public int Connections => (int)_context.Metrics.Connections;

    /// <summary>Bound sessions now, those of lost connections in their grace period included.</summary>
    public int Sessions => (int)_context.Metrics.Sessions;

    /// <summary>Takes no new clients.</summary>
    public bool Draining => _context.Draining;

    /// <summary>The incarnation is lost, see <see cref="Fence"/>; it may also be the lease that says so.</summary>
    public bool IsFenced => _context.IsFenced;

    internal RoomContext Context => _context;

    /// <summary>Listens. Throws when an address is taken.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _started, 1) != 0)
            throw new InvalidOperationException("The room was already started.");
        _context.RegistryWatch.Start();
        await _context.Services.Engine.StartAsync(shard => new ShardHandler(_context.Shards[shard.Index]), cancellationToken);
        RoomLog.Started(_context.Logger, Identity.NodeId, Identity.Incarnation, string.Join(", ", EndPoints));
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) =>
        DeliverAsync(items, Identity.Incarnation, cancellationToken);

    internal async ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(
        IReadOnlyList<DeliverItem> items, long incarnation, CancellationToken cancellationToken)
    {
        if (items.Count == 0)
            return [];
        if (!_context.Answers(incarnation))
            return new DeliverOutcome[items.Count];
        var bytes = 0L;
        for (var i = 0; i < items.Count; i++)
            bytes += items[i].Payload.Length;
        await _context.DeliverGate.EnterAsync(cancellationToken);
        var withPayloads = _context.DeliverGate.TryReserve(bytes, _context.Options.MaxDeliverBytes);
        try
        {
            var batch = new DeliverBatch(_context, items, incarnation, withPayloads);
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
        return new ValueTask<FanoutProgress>(_context.IsFenced ? default : _context.Broadcaster.Execute(command));
    }

    /// <summary>
    /// The room as those see it who know it by this incarnation: while another one is in force, deliveries are NotHere, kicks
    /// find nobody and fan-outs are not known. While it is lost, only kicks are carried out. Checked at each call; cheap.
    /// </summary>
    public IRoomNode ForIncarnation(long incarnation)
    {
        var view = _view;
        return view.Incarnation == incarnation ? view : _view = new IncarnationView(this, incarnation);
    }

    /// <summary>
    /// The incarnation is lost, or may be: until <see cref="RenewAsync"/> the room answers NotHere to deliveries (what is stored stays
    /// stored), refuses logins with Busy and keeps its clients; heartbeats, ACKs and RESUME go on. Any thread, at once, any number of
    /// times.
    /// </summary>
    public void Fence()
    {
        lock (_identityLock)
        {
            if (_context.Fenced)
                return;
            _context.Fenced = true;
        }
        RoomLog.Fenced(_context.Logger, Identity.NodeId, Identity.Incarnation);
    }

    /// <summary>
    /// The room goes on under a new incarnation, from the moment of the call; the sockets stay as they are. Completes when every session,
    /// lost connections in their grace period included, was bound again under it or had to give way to a newer one elsewhere; that is
    /// done even when nobody waits any more. The incarnation in force ends a <see cref="Fence"/> as well; a lower one is late and
    /// ignored. Any thread.
    /// </summary>
    public async Task RenewAsync(long newIncarnation, CancellationToken cancellationToken)
    {
        Task bound;
        lock (_identityLock)
        {
            if (newIncarnation < Identity.Incarnation || (newIncarnation == Identity.Incarnation && !_context.Fenced))
                return;
            _context.Identity = Identity with { Incarnation = newIncarnation };
            bound = _context.Registrations.DemandAll();
            _context.Fenced = false;
        }
        RoomLog.Renewed(_context.Logger, Identity.NodeId, newIncarnation, Sessions);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _context.Stopping);
        await bound.WaitAsync(either.Token);
    }

    /// <summary>
    /// Puts a copy of other settings in force, all at once; each is read at its next use. Returns the names of changed settings that count
    /// from the next start only. Throws <see cref="ArgumentException"/> and changes nothing when one is out of range. Any thread.
    /// </summary>
    public IReadOnlyList<string> Apply(RoomOptions options)
    {
        var settings = new RoomSettings(options);
        settings.Options.Validate(_context.Services.MaxOutputBytes);
        var waiting = _context.Options.StartOnlyChanges(settings.Options);
        _context.Settings = settings;
        RoomLog.SettingsApplied(_context.Logger, waiting.Count);
        return waiting;
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
