using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Configuration;

/// <summary>How much the processes log. Immutable.</summary>
public sealed record LogSection
{
    /// <summary>The least important level that is written.</summary>
    [Setting]
    public LogLevel? Level { get; init; }
}
