using Microsoft.Extensions.Hosting;

namespace PushSystem.Hosting.Lifetime;

/// <summary>A host lifetime that listens to no signal: Program decides when the host stops.</summary>
public sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
