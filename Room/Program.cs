using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Room;

internal static class Program
{
    private static Task<int> Main(string[] args) =>
        NodeProgram.RunAsync<RoomNodeOptions>(args, Roles.Room, static options => new RoomProcess(options));
}
