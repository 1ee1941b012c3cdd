using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Room.Access;
using PushSystem.Room.Delivery;
using PushSystem.Room.Sessions;

namespace PushSystem.Room;

/// <summary>
/// What the shards of one room share. Made and disposed by <see cref="RoomNode"/>; every member may be used from any thread.
/// </summary>
internal sealed class RoomContext : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private volatile RoomIdentity _identity;
    private volatile RoomSettings _settings;
    private long _lastConnectionId;
    private int _draining;
    private int _fenced;

    public RoomContext(RoomIdentity identity, RoomServices services, RoomOptions options)
    {
        // Kept: turns of the engine, which ends later, may ask for it when its source is disposed already.
        Stopping = _stopping.Token;
        _identity = identity;
        _settings = new RoomSettings(options);
        Services = services;
        Stores = new StoreCalls(this);
        FirstIncarnation = identity.Incarnation;
        Time = services.Time;
        Logger = services.Loggers.CreateLogger("PushSystem.Room");
        Metrics = new RoomMetrics(() => Identity.Incarnation, () => IsFenced, () => Registrations!.Left);
        Index = new SessionIndex();
        Tickets = new ResumeTickets(identity, services.Time, options.ResumeTicketLifetime);
        AddressRates = new AddressRateTable(() => Options, services.Time);
        Logins = new LoginGate();
        DeliverGate = new DeliverGate(options.MaxDeliverCalls);
        Registrations = new Registrations(this);
        RegistryWatch = new RegistryWatch(this);
        Shards = new RoomShard[services.Engine.Shards.Count];
        Cache = new BroadcastCache(this);
        Broadcaster = new Broadcaster(this);
        Unregistrar = new Unregistrar(this);
        Presence = new PresenceReporter(this);
    }

    /// <summary>The node id stays, the incarnation may grow.</summary>
    public RoomIdentity Identity
    {
        get => _identity;
        set => _identity = value;
    }

    /// <summary>The incarnation that this process began with: whatever it ever registered carries this one or a higher one.</summary>
    public long FirstIncarnation { get; }

    /// <summary>The settings in force. Read anew at each use.</summary>
    public RoomSettings Settings
    {
        get => _settings;
        set => _settings = value;
    }

    public RoomOptions Options => _settings.Options;
    public AccessPolicy Access => _settings.Access;
    public RoomServices Services { get; }
    public StoreCalls Stores { get; }
    public TimeProvider Time { get; }
    public ILogger Logger { get; }
    public RoomMetrics Metrics { get; }
    public SessionIndex Index { get; }
    public ResumeTickets Tickets { get; }
    public AddressRateTable AddressRates { get; }
    public LoginGate Logins { get; }
    public DeliverGate DeliverGate { get; }
    public RoomShard[] Shards { get; }
    public BroadcastCache Cache { get; }
    public Broadcaster Broadcaster { get; }
    public Unregistrar Unregistrar { get; }
    public PresenceReporter Presence { get; }
    public Registrations Registrations { get; }
    public RegistryWatch RegistryWatch { get; }

    /// <summary>Cancelled when the room is disposed.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>No client is taken any more.</summary>
    public bool Draining
    {
        get => Volatile.Read(ref _draining) != 0;
        set => Volatile.Write(ref _draining, value ? 1 : 0);
    }

    /// <summary>
    /// The incarnation is lost or may be: nothing is registered and no delivery is taken until there is a new one. Looks at the lease
    /// itself too, so that a process that was paused knows it before anybody has told it.
    /// </summary>
    public bool IsFenced => Volatile.Read(ref _fenced) != 0 || (Services.Incarnation is { } now && now() != Identity.Incarnation);

    /// <summary>Whether a call that was meant for this incarnation may be carried out.</summary>
    public bool Answers(long incarnation) => incarnation == Identity.Incarnation && !IsFenced;

    /// <summary>What was told by <see cref="RoomNode.Fence"/>.</summary>
    public bool Fenced
    {
        get => Volatile.Read(ref _fenced) != 0;
        set => Volatile.Write(ref _fenced, value ? 1 : 0);
    }

    /// <summary>Unix milliseconds.</summary>
    public long UnixNow => Time.GetUtcNow().ToUnixTimeMilliseconds();

    public ulong NextConnectionId() => (ulong)Interlocked.Increment(ref _lastConnectionId);

    /// <summary>Says in log and metrics that a call to another component failed.</summary>
    public void CallFailed(string call, Exception exception)
    {
        if (exception is OperationCanceledException && Stopping.IsCancellationRequested)
            return;
        Metrics.StoreError(call);
        if (StoreCalls.MayPass(exception))
            RoomLog.StoreUnavailable(Logger, call, exception.Message);
        else
            RoomLog.StoreFailed(Logger, call, exception);
    }

    /// <summary>Waits on the room's clock; throws <see cref="OperationCanceledException"/> when the room is disposed.</summary>
    public Task DelayAsync(TimeSpan delay) => Task.Delay(delay, Time, Stopping);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await RegistryWatch.DisposeAsync();
        await Unregistrar.DisposeAsync();
        await Presence.DisposeAsync();
        DeliverGate.Dispose();
        Metrics.Dispose();
        _stopping.Dispose();
    }
}
