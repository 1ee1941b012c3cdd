using Xunit;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>Clusters of a dozen processes are started one after the other, beside nothing else.</summary>
[CollectionDefinition("cluster", DisableParallelization = true)]
public sealed class ClusterCollection;
