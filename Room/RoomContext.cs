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
    private long _lastConnectionId;
    private int _draining;

    public RoomContext(RoomIdentity identity, RoomServices services, RoomOptions options)
    {
        Identity = identity;
        Services = services;
        Options = options;
        Time = services.Time;
        Logger = services.Loggers.CreateLogger("PushSystem.Room");
        Metrics = new RoomMetrics();
        Index = new SessionIndex();
        Tickets = new ResumeTickets(identity, services.Time, options.ResumeTicketLifetime);
        Access = new AccessPolicy(options);
        AddressRates = new AddressRateTable(options, services.Time);
        Logins = new LoginGate(options.MaxConcurrentLogins);
        DeliverGate = new DeliverGate(options);
        Shards = new RoomShard[services.Engine.Shards.Count];
        Cache = new BroadcastCache(this);
        Broadcaster = new Broadcaster(this);
        Unregistrar = new Unregistrar(this);
        Presence = new PresenceReporter(this);
    }

    public RoomIdentity Identity { get; }
    public RoomServices Services { get; }
    public RoomOptions Options { get; }
    public TimeProvider Time { get; }
    public ILogger Logger { get; }
    public RoomMetrics Metrics { get; }
    public SessionIndex Index { get; }
    public ResumeTickets Tickets { get; }
    public AccessPolicy Access { get; }
    public AddressRateTable AddressRates { get; }
    public LoginGate Logins { get; }
    public DeliverGate DeliverGate { get; }
    public RoomShard[] Shards { get; }
    public BroadcastCache Cache { get; }
    public Broadcaster Broadcaster { get; }
    public Unregistrar Unregistrar { get; }
    public PresenceReporter Presence { get; }

    /// <summary>Cancelled when the room is disposed.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>No client is taken any more.</summary>
    public bool Draining
    {
        get => Volatile.Read(ref _draining) != 0;
        set => Volatile.Write(ref _draining, value ? 1 : 0);
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
        if (exception is StoreUnavailableException)
            RoomLog.StoreUnavailable(Logger, call, exception.Message);
        else
            RoomLog.StoreFailed(Logger, call, exception);
    }

    /// <summary>Waits on the room's clock; throws <see cref="OperationCanceledException"/> when the room is disposed.</summary>
    public Task DelayAsync(TimeSpan delay) => Task.Delay(delay, Time, Stopping);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Unregistrar.DisposeAsync();
        await Presence.DisposeAsync();
        DeliverGate.Dispose();
        Metrics.Dispose();
        _stopping.Dispose();
    }
}
