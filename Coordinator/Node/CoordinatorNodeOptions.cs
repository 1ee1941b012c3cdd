using PushSystem.Hosting.Nodes;

namespace PushSystem.Coordinator;

/// <summary>The node file of a coordinator: nothing beyond what every node has.</summary>
public sealed class CoordinatorNodeOptions : NodeOptions;
