using PushSystem.Client.Storage;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests.Support;

/// <summary>A client, a scripted room, a clock that stands still, and everything the client tells.</summary>
internal sealed class Harness : IAsyncDisposable
{
    public static readonly string TicketText = System.Buffers.Text.Base64Url.EncodeToString(new byte[] { 10, 20, 30 });

    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(4);
    private readonly List<IAsyncDisposable> _owned = [];

    public Harness(Action<PushClientOptions>? configure = null, FakeRoom? room = null, ObservedClock? clock = null, Func<string, StoreFile>? openFile = null)
    {
        Clock = clock ?? new ObservedClock();
        Room = room ?? new FakeRoom();
        if (room is null)
            _owned.Add(Room);
        var options = new PushClientOptions
        {
            Addresses = [Room.Address],
            Device = "phone-1",
            TimeProvider = Clock,
            RandomSeed = 1,
            PingTimeout = TimeSpan.FromSeconds(9),
            StopTimeout = StopTimeout,
        };
        configure?.Invoke(options);
        Client = new PushClient(options, openFile);
        Client.StateChanged += States.Add;
        Client.BindingChanged += Bindings.Add;
        Client.StreamReset += Resets.Add;
        Client.ErrorOccurred += Errors.Add;
    }

    public ObservedClock Clock { get; }
    public FakeRoom Room { get; }
    public PushClient Client { get; }
    public EventLog<StateChange> States { get; } = new("state");
    public EventLog<BindingChange> Bindings { get; } = new("binding");
    public EventLog<StreamReset> Resets { get; } = new("reset");
    public EventLog<ClientError> Errors { get; } = new("error");
    public EventLog<ReceivedMessage> Messages { get; } = new("message");

    /// <summary>Called for each message after it was recorded; null = nothing more.</summary>
    public Func<ReceivedMessage, ValueTask>? Handler { get; set; }

    /// <summary>The bound pair of most tests.</summary>
    public PushBinding Alice { get; private set; } = null!;

    /// <summary>Binds demo/alice and starts.</summary>
    public async Task StartAsync()
    {
        Alice = Client.Bind("demo", "alice", TicketText);
        await StartUnboundAsync();
    }

    /// <summary>Starts without any binding.</summary>
    public Task StartUnboundAsync()
    {
        Client.OnMessage(async message =>
        {
            Messages.Add(message);
            if (Handler is { } handler)
                await handler(message);
        });
        return Client.StartAsync();
    }

    /// <summary>Starts, lets the client log in and be bound.</summary>
    public async Task<FakeConnection> StartOnlineAsync(SessionSettings? settings = null, params BindResult[] results)
    {
        await StartAsync();
        return await AcceptOnlineAsync(settings, results);
    }

    /// <summary>Lets the client log in (again) and be bound.</summary>
    public async Task<FakeConnection> AcceptOnlineAsync(SessionSettings? settings = null, params BindResult[] results)
    {
        var connection = await Room.AcceptAsync();
        await connection.LoginAsync(settings, results);
        await States.NextAsync(s => s.State == ClientState.Online, "online");
        await Bindings.NextAsync(b => b.State == BindingState.Bound, "bound");
        return connection;
    }

    /// <summary>Waits for the back-off and lets its time pass.</summary>
    public async Task<StateChange> PassBackOffAsync()
    {
        var state = await States.NextAsync(s => s.State == ClientState.BackingOff, "back-off");
        Clock.Advance(state.RetryIn!.Value + TimeSpan.FromMilliseconds(1));
        return state;
    }

    /// <summary>The texts of the next messages.</summary>
    public async Task<List<string>> TextsAsync(int count)
    {
        var texts = new List<string>();
        while (texts.Count < count)
            texts.Add((await Messages.NextAsync(null, $"message {texts.Count + 1} of {count}")).Text);
        return texts;
    }

    public async ValueTask DisposeAsync()
    {
        // A test that failed may leave a handler waiting; time passes for the stop, so that the test's own failure shows.
        var dispose = Client.DisposeAsync().AsTask();
        var waits = Clock.ArmedAsync(StopTimeout, "the stop's wait");
        if (await Task.WhenAny(dispose, waits) == waits)
            Clock.Advance(StopTimeout);
        await Waiting.For(dispose, "dispose of the client");
        foreach (var owned in _owned)
            await owned.DisposeAsync();
    }
}
