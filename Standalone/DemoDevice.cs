using System.Net;
using PushSystem.Client;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Standalone;

/// <summary>
/// A phone in the same process, with the real SDK over the real TCP path, that prints what it receives.
/// Owns its client; the client's threads call the handlers; disposed by Program before the gateway drains.
/// </summary>
internal sealed class DemoDevice : IAsyncDisposable
{
    private readonly PushClient _client;
    private readonly TaskCompletionSource _bound = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public DemoDevice(IAppDirectory apps, StandaloneOptions options, TimeProvider time)
    {
        _client = new PushClient(new PushClientOptions
        {
            Dispatcher = new Uri($"http://{Reachable(options.Dispatcher)}"),
            Device = "demo-device",
            StorePath = Path.Combine(options.Data, "demo-device.state"),
        });
        _client.OnMessage(message => Console.WriteLine(
            $"{time.GetUtcNow():HH:mm:ss.fff} {message.User} received {(message.IsTransient ? "a transient message" : message.Id)}: {message.Text}"));
        _client.BindingChanged += change =>
        {
            if (change.State == BindingState.Bound)
                _bound.TrySetResult();
            else if (change.State == BindingState.Failed)
                Console.WriteLine($"{time.GetUtcNow():HH:mm:ss.fff} {change.Binding.User} is not bound any more: {change.Reason}");
        };
        _client.StreamReset += reset => Console.WriteLine(
            $"{time.GetUtcNow():HH:mm:ss.fff} {reset.Binding.User} has a gap in its {reset.Stream} stream: {reset.Reason}");
        _client.Bind(DemoApp.Id, DemoApp.User, _ =>
        {
            var keys = apps.Find(DemoApp.Id)!.SigningKeys;
            return ValueTask.FromResult(Ticket.IssueText(keys[0], DemoApp.Id, DemoApp.User, time.GetUtcNow().AddHours(1)));
        });
    }

    /// <summary>Connects and waits until the user is bound.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _client.StartAsync(cancellationToken);
        await _bound.Task.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken);
    }

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    private static IPEndPoint Reachable(IPEndPoint endPoint) =>
        endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any)
            ? new IPEndPoint(IPAddress.Loopback, endPoint.Port)
            : endPoint;
}
