using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;
using PushSystem.Hosting.Nodes;
using PushSystem.Remote;
using PushSystem.Remote.Rooms;

namespace PushSystem.Dispatcher;

/// <summary>
/// A dispatcher as a process of its own: answers from what etcd shows of the rooms.
/// Owns its view of the rooms; the host calls it on one thread; the host disposes it.
/// </summary>
internal sealed class DispatcherProcess(DispatcherNodeOptions file) : NodeRole
{
    private readonly DispatcherSettings _settings = new(new DispatcherOptions());
    private ClusterRooms? _rooms;

    public override string PublicHttp => file.Dispatcher.Listen;

    public override void Check(ClusterConfiguration configuration) => _settings.Check(configuration.Dispatcher);

    public override ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken)
    {
        _rooms = new ClusterRooms(host.Links, host.Nodes, new RemoteOptions());
        _settings.Apply(host.Configuration.Current.Dispatcher);
        host.Configuration.Changed += (_, now) => _settings.Apply(now.Dispatcher);
        host.Health.AddCheck("rooms", () => _rooms.Rooms.Count > 0 ? null : "no room lives");
        return ValueTask.CompletedTask;
    }

    public override void AddServices(IServiceCollection services) => services.AddSingleton<IRoomDirectory>(_rooms!).AddDispatcher(_settings);

    public override void Map(WebApplication web) => web.MapDispatcher();

    public override ValueTask StartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override IEnumerable<string> Describe()
    {
        yield return $"clients ask http://{file.Dispatcher.Listen}/v1/route";
    }

    public override ValueTask DisposeAsync()
    {
        _rooms?.Dispose();
        return ValueTask.CompletedTask;
    }
}
