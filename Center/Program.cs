using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Center;

internal static class Program
{
    private static Task<int> Main(string[] args) =>
        NodeProgram.RunAsync<CenterNodeOptions>(args, Roles.Center, static options => new CenterProcess(options));
}
