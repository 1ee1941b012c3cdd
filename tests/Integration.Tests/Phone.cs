using System.Collections.Concurrent;
using System.Threading.Channels;
using PushSystem.Client;
using PushSystem.TestSupport;

namespace PushSystem.Integration.Tests;

/// <summary>A device with the real SDK, whose messages and events can be awaited in order. Owned by the test.</summary>
internal sealed class Phone : IAsyncDisposable
{
    private readonly Channel<ReceivedMessage> _messages = Channel.CreateUnbounded<ReceivedMessage>();
    private readonly TaskCompletionSource _online = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Phone(PushClient client) => Client = client;

    public PushClient Client { get; }
    public ConcurrentQueue<StateChange> States { get; } = new();
    public ConcurrentQueue<BindingChange> Bindings { get; } = new();
    public ConcurrentQueue<StreamReset> Resets { get; } = new();

    /// <summary>Connects and binds <paramref name="users"/> of the demo app.</summary>
    public static Task<Phone> Connect(IGateway gateway, string device, params string[] users) => ConnectTo(gateway, null, device, users);

    /// <summary>The same at one room's address, without asking the dispatcher.</summary>
    public static async Task<Phone> ConnectTo(IGateway gateway, string? address, string device, params string[] users)
    {
        var client = new PushClient(new PushClientOptions
        {
            Dispatcher = address is null ? gateway.Dispatcher : null,
            Addresses = address is null ? [] : [address],
            Device = device,
            StorePath = Path.Combine(gateway.Data, device + ".state"),
            BackoffBase = TimeSpan.FromMilliseconds(50),
            BackoffCap = TimeSpan.FromMilliseconds(400),
        });
        var phone = new Phone(client);
        client.OnMessage(message => phone._messages.Writer.WriteAsync(message));
        client.StateChanged += change =>
        {
            phone.States.Enqueue(change);
            if (change.State == ClientState.Online)
                phone._online.TrySetResult();
        };
        client.BindingChanged += phone.Bindings.Enqueue;
        client.StreamReset += phone.Resets.Enqueue;
        foreach (var user in users)
            client.Bind("demo", user, async _ => await gateway.Ticket(user));
        await client.StartAsync();
        await Waiting.For(phone._online.Task, $"{device} is online");
        await Waiting.Until(() => users.All(user => phone.Bindings.Any(b => b.Binding.User == user && b.State == BindingState.Bound)), $"{device} is bound");
        return phone;
    }

    /// <summary>How often the device came online.</summary>
    public int Logins => States.Count(change => change.State == ClientState.Online);

    /// <summary>The next message that the application sees.</summary>
    public Task<ReceivedMessage> Next(string phase) => Waiting.For(_messages.Reader.ReadAsync().AsTask(), phase);

    public ValueTask DisposeAsync() => Client.DisposeAsync();
}
