using Microsoft.Extensions.DependencyInjection;
using PushSystem.Contracts;

namespace PushSystem.Center.Stores;

/// <summary>
/// The stores as the center's parts use them: the container's, each call bounded by <see cref="StoreDeadline"/>. Parts ask for them
/// with the key <see cref="Key"/>.
/// </summary>
internal static class BoundedStores
{
    public const string Key = "bounded";

    public static void AddBoundedStores(this IServiceCollection services)
    {
        services.AddSingleton<StoreDeadline>();
        Add<IMailboxes>(services, static (inner, deadline) => new BoundedMailboxes(inner, deadline));
        Add<IBroadcastLog>(services, static (inner, deadline) => new BoundedBroadcastLog(inner, deadline));
        Add<IMulticasts>(services, static (inner, deadline) => new BoundedMulticasts(inner, deadline));
        Add<IWorkClaims>(services, static (inner, deadline) => new BoundedWorkClaims(inner, deadline));
        Add<IIdempotencyStore>(services, static (inner, deadline) => new BoundedIdempotencyStore(inner, deadline));
        Add<ISessionRegistry>(services, static (inner, deadline) => new BoundedSessionRegistry(inner, deadline));
    }

    private static void Add<T>(IServiceCollection services, Func<T, StoreDeadline, T> bound) where T : class =>
        services.AddKeyedSingleton(
            Key, (provider, _) => bound(provider.GetRequiredService<T>(), provider.GetRequiredService<StoreDeadline>()));
}
