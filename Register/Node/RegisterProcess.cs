using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.Hosting.Nodes;
using PushSystem.Redis;
using PushSystem.Register.Redis;
using PushSystem.Remote;
using PushSystem.Remote.Rooms;

namespace PushSystem.Register;

/// <summary>
/// A register as a process of its own. It keeps no session itself, so that any number of them work on one redis.
/// Owns the link to redis and its view of the rooms; the host calls it on one thread; the host disposes it.
/// </summary>
internal sealed class RegisterProcess : NodeRole
{
    private readonly RegisterNodeOptions _file;
    private readonly RegisterOptions _options = new();
    private readonly OptionsOverlay<RegisterOptions, RegisterSection> _overlay;
    private ClusterRooms? _rooms;
    private RedisLink? _redis;
    private RedisSessionRegistry? _registry;

    public RegisterProcess(RegisterNodeOptions file)
    {
        _file = file;
        _overlay = new OptionsOverlay<RegisterOptions, RegisterSection>(_options);
    }

    public override void Check(ClusterConfiguration configuration) => _overlay.Check(configuration.Register, static options => options.Validate());

    public override async ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken)
    {
        host.Lay(_overlay, configuration => configuration.Register);
        _options.Parts = host.Layout.RegistryParts;
        _redis = await RedisLink.OpenAsync(_file.Redis.ToOptions(), "sessions", host.Time, host.Loggers.CreateLogger<RedisLink>());
        _rooms = new ClusterRooms(host.Links, host.Nodes, new RemoteOptions());
        _registry = new RedisSessionRegistry(
            _redis, _options, _rooms, () => host.Nodes.Revision, host.Time, host.Loggers.CreateLogger<RedisSessionRegistry>());
        host.Health.AddCheck("redis", () => _registry.Failure);
        host.Methods.AddRegister(_registry);
    }

    public override ValueTask StartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (_registry is not null)
            await _registry.DisposeAsync();
        _rooms?.Dispose();
        if (_redis is not null)
            await _redis.DisposeAsync();
    }
}
