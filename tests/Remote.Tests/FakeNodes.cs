using PushSystem.Cluster.Nodes;

namespace PushSystem.Remote.Tests;

/// <summary>A directory of nodes that a test changes.</summary>
internal sealed class FakeNodes : INodeDirectory
{
    private readonly Dictionary<string, IReadOnlyList<NodeInfo>> _nodes = [];

    public long Revision { get; private set; }

    public event Action<string>? Changed;

    public IReadOnlyList<NodeInfo> Of(string role) => _nodes.GetValueOrDefault(role, []);

    public ValueTask RefreshAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public void Set(string role, params NodeInfo[] nodes)
    {
        Revision++;
        _nodes[role] = nodes;
        Changed?.Invoke(role);
    }

    public static NodeInfo Node(string role, string id, long incarnation = 1) =>
        new() { Id = id, Role = role, Incarnation = incarnation, Host = "127.0.0.1", Port = 1 };
}
