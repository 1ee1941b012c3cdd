using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Transport;

namespace PushSystem.Room;

/// <summary>Registers a room.</summary>
public static class RoomServiceCollectionExtensions
{
    /// <summary>
    /// Adds a <see cref="RoomNode"/> as <see cref="IRoomNode"/>. The contracts it needs (<see cref="ITransportEngine"/>,
    /// <see cref="IMailboxes"/>, <see cref="IBroadcastLog"/>, <see cref="ISessionRegistry"/>, <see cref="ICoordinator"/>,
    /// <see cref="IAppDirectory"/>; <see cref="IRoomDirectory"/> and <see cref="TimeProvider"/> if there are any) come from the
    /// container. The room is not started by this.
    /// </summary>
    public static IServiceCollection AddRoom(this IServiceCollection services, RoomIdentity identity, RoomOptions options)
    {
        options.Validate();
        services.TryAddSingleton(provider => new RoomNode(identity, new RoomServices
        {
            Engine = provider.GetRequiredService<ITransportEngine>(),
            Mailboxes = provider.GetRequiredService<IMailboxes>(),
            Broadcasts = provider.GetRequiredService<IBroadcastLog>(),
            Registry = provider.GetRequiredService<ISessionRegistry>(),
            Coordinator = provider.GetRequiredService<ICoordinator>(),
            Apps = provider.GetRequiredService<IAppDirectory>(),
            Rooms = new DeferredRoomDirectory(provider),
            Time = provider.GetService<TimeProvider>() ?? TimeProvider.System,
            Loggers = provider.GetRequiredService<ILoggerFactory>(),
        }, options));
        services.TryAddSingleton<IRoomNode>(provider => provider.GetRequiredService<RoomNode>());
        return services;
    }
}

/// <summary>The container's directory of rooms, asked for at first use: a directory may hold this very room.</summary>
internal sealed class DeferredRoomDirectory(IServiceProvider provider) : IRoomDirectory
{
    private readonly Lazy<IRoomDirectory?> _rooms = new(() => provider.GetService<IRoomDirectory>());

    public IReadOnlyList<RoomInfo> Rooms => _rooms.Value?.Rooms ?? [];

    public IRoomNode? Find(string room, long incarnation) => _rooms.Value?.Find(room, incarnation);
}
