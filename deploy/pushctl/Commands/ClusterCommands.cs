using System.CommandLine;
using System.Globalization;
using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Nodes;

namespace PushSystem.Pushctl.Commands;

/// <summary>cluster init, show.</summary>
internal sealed class ClusterCommands(PushctlCommand root)
{
    private readonly Option<int> _partitions = new("--partitions")
    {
        Description = $"partitions of the mailboxes, 1 to {ClusterLayout.Most}", DefaultValueFactory = _ => ClusterLayout.Default.Partitions,
    };

    private readonly Option<int> _registryParts = new("--registry-parts")
    {
        Description = $"parts of the registry, 1 to {ClusterLayout.Most}", DefaultValueFactory = _ => ClusterLayout.Default.RegistryParts,
    };

    public Command Make()
    {
        var cluster = new Command("cluster", "What was laid down when the cluster was created");
        var init = new Command("init", "Lay down the layout of a new cluster; it cannot be changed later") { _partitions, _registryParts };
        root.Handle(init, InitAsync);
        cluster.Subcommands.Add(init);
        var show = new Command("show", "Show the cluster");
        root.Handle(show, ShowAsync);
        cluster.Subcommands.Add(show);
        return cluster;
    }

    private async Task<int> InitAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var wanted = new ClusterLayout(run.Arguments.GetValue(_partitions), run.Arguments.GetValue(_registryParts));
        if (!await ClusterLayout.CreateAsync(run.Etcd, run.Keys, wanted, cancellationToken))
        {
            var existing = await ClusterLayout.FindAsync(run.Etcd, run.Keys, cancellationToken);
            if (existing != wanted)
            {
                throw new RefusalException(
                    $"the cluster has {existing?.Partitions} partitions and {existing?.RegistryParts} registry parts already; stored data lies by them, so they cannot be changed");
            }
            run.Output.Note("the cluster has this layout already");
        }
        Show(run, wanted);
        return ExitCodes.Done;
    }

    private async Task<int> ShowAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var layout = await ClusterLayout.FindAsync(run.Etcd, run.Keys, cancellationToken)
            ?? throw new RefusalException($"there is no cluster at {run.Keys.Root}: no node was started and cluster init was not run");
        if (!run.Output.IsJson)
        {
            Show(run, layout);
            var nodes = (await run.Etcd.ListAsync(run.Keys.Nodes, cancellationToken)).Entries;
            foreach (var role in Roles.All)
                run.Output.Line($"{role + " nodes",-18}{nodes.Count(node => node.Key.StartsWith($"{run.Keys.Nodes}{role}/", StringComparison.Ordinal))}");
            run.Output.Line($"{"configuration",-18}revision {(await new ConfigurationStore(run.Etcd, run.Keys, root.Surroundings.Time).ReadAsync(cancellationToken)).Revision}");
            return ExitCodes.Done;
        }
        Show(run, layout);
        return ExitCodes.Done;
    }

    private static void Show(CommandRun run, ClusterLayout layout)
    {
        if (run.Output.IsJson)
        {
            run.Output.Json(layout);
            return;
        }
        run.Output.Line($"{"partitions",-18}{layout.Partitions.ToString(CultureInfo.InvariantCulture)}");
        run.Output.Line($"{"registry parts",-18}{layout.RegistryParts.ToString(CultureInfo.InvariantCulture)}");
    }
}
