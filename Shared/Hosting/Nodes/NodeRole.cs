using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Cluster.Configuration;

namespace PushSystem.Hosting.Nodes;

/// <summary>
/// What one kind of node does within a <see cref="NodeHost"/>, which calls it in this order, on one thread: Prepare, AddServices, Map,
/// Start, Drain, DisposeAsync. Check may come at any time.
/// </summary>
public abstract class NodeRole : IAsyncDisposable
{
    /// <summary>Where clients or businesses reach this role over HTTP, "address:port"; null = nowhere.</summary>
    public virtual string? PublicHttp => null;

    /// <summary>
    /// Throws, with the reason, when the role cannot live with a configuration: it is rejected then and the old one stays. Pure; called
    /// on any thread.
    /// </summary>
    public virtual void Check(ClusterConfiguration configuration)
    {
    }

    /// <summary>Opens what the role needs and adds its methods to the host's links. Nobody calls them before this returns.</summary>
    public abstract ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken);

    /// <summary>Adds what the role's HTTP endpoints need.</summary>
    public virtual void AddServices(IServiceCollection services)
    {
    }

    /// <summary>Maps the role's HTTP endpoints; they exist on <see cref="PublicHttp"/> only.</summary>
    public virtual void Map(WebApplication web)
    {
    }

    /// <summary>Begins to work: the node has its incarnation and its links.</summary>
    public abstract ValueTask StartAsync(CancellationToken cancellationToken);

    /// <summary>Sends clients and work away; the node is marked as draining. At most <see cref="NodeOptions.DrainTime"/>.</summary>
    public virtual ValueTask DrainAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Lines for whoever started the process by hand: addresses.</summary>
    public virtual IEnumerable<string> Describe() => [];

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
