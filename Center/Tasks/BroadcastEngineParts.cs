using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>What all loops of the engine work with. Immutable, any thread.</summary>
internal sealed record BroadcastEngineParts(
    IBroadcastLog Log, IWorkClaims Claims, IPeers Peers, ISessionRegistry Registry, IRoomDirectory Rooms, CenterOptions Options,
    TimeProvider Time, ILogger Logger)
{
    /// <summary>
    /// Whether this process may still believe that it owns what it claimed under the fence: it counts as alive, and under the same
    /// token. The store has the last word.
    /// </summary>
    public bool Owns(Fence fence) => Peers.Self == fence.Token;

    /// <summary>The wait after the next failure.</summary>
    public TimeSpan Longer(TimeSpan retry) => retry * 2 < Options.MaxRetryDelay ? retry * 2 : Options.MaxRetryDelay;
}
