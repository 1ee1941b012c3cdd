using Microsoft.Extensions.Hosting;

namespace PushSystem.Standalone;

/// <summary>A host lifetime that listens to no signal: Program decides when the host stops.</summary>
internal sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
