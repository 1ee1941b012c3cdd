using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Saver;

internal static class Program
{
    private static Task<int> Main(string[] args) =>
        NodeProgram.RunAsync<SaverNodeOptions>(args, Roles.Saver, static options => new SaverProcess(options));
}
