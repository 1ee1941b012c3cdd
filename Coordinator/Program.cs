using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Coordinator;

internal static class Program
{
    private static Task<int> Main(string[] args) =>
        NodeProgram.RunAsync<CoordinatorNodeOptions>(args, Roles.Coordinator, static options => new CoordinatorProcess(options));
}
