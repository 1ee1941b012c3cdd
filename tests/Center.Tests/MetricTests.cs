using Xunit;

namespace PushSystem.Center.Tests;

/// <summary>Tests that read metrics run alone: meters are seen by the whole process.</summary>
[CollectionDefinition(nameof(MetricTests), DisableParallelization = true)]
public sealed class MetricTests;
