using System.Net.Sockets;
using Microsoft.Extensions.Options;
using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Hosting.Lifetime;

namespace PushSystem.Hosting.Nodes;

/// <summary>The main program of every node: reads the node file, runs the role until a signal, says what is wrong in one line.</summary>
public static class NodeProgram
{
    /// <summary>
    /// Runs the process; the result is its exit code: 0 = stopped when asked, 1 = it cannot run, 2 = wrong command line or node file.
    /// </summary>
    /// <param name="args">"--config FILE", or "--check FILE" to only check the file.</param>
    /// <param name="roleName">The role: <see cref="Roles"/>.</param>
    /// <param name="makeRole">Makes the role from its options.</param>
    public static async Task<int> RunAsync<TOptions>(string[] args, string roleName, Func<TOptions, NodeRole> makeRole)
        where TOptions : NodeOptions, new()
    {
        if (args is not ["--config" or "--check", var path])
        {
            await Console.Error.WriteLineAsync($"usage: {roleName} --config FILE     run the node\n       {roleName} --check FILE      check the file");
            return 2;
        }
        TOptions options;
        try
        {
            options = NodeFile.Read(path).BindValidated<TOptions>("");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException
            or OptionsValidationException or InvalidOperationException)
        {
            await Console.Error.WriteLineAsync($"{path}: {exception.Message}");
            return 2;
        }
        if (args[0] == "--check")
        {
            Console.WriteLine($"{path} is good");
            return 0;
        }
        using var stop = new StopSignal();
        try
        {
            await using var host = new NodeHost(roleName, options, makeRole(options));
            await host.RunAsync(stop);
            return host.Failed ? 1 : 0;
        }
        catch (OperationCanceledException) when (stop.Requested.IsCompleted)
        {
            return 0;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or SocketException or UnauthorizedAccessException
            or StoreUnavailableException or ArgumentException or InvalidOperationException or EtcdException or ConfigurationException
            or DuplicateNodeException)
        {
            // What an operator can mend: a taken port, a wrong key, a store that is away. The rest is our bug and keeps its stack.
            await Console.Error.WriteLineAsync($"{roleName} {options.Node} cannot run: {exception.Message}");
            return 1;
        }
    }
}
