using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Register;

internal static class Program
{
    private static Task<int> Main(string[] args) =>
        NodeProgram.RunAsync<RegisterNodeOptions>(args, Roles.Register, static options => new RegisterProcess(options));
}
