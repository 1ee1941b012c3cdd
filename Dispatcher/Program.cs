using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Dispatcher;

internal static class Program
{
    private static Task<int> Main(string[] args) =>
        NodeProgram.RunAsync<DispatcherNodeOptions>(args, Roles.Dispatcher, static options => new DispatcherProcess(options));
}
