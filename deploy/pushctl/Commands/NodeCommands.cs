using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using PushSystem.Cluster.Nodes;

namespace PushSystem.Pushctl.Commands;

/// <summary>nodes.</summary>
internal sealed class NodeCommands(PushctlCommand root)
{
    private readonly Option<string> _role = new("--role") { Description = "only nodes of this role: " + string.Join(", ", Roles.All) };

    public Command Make()
    {
        var nodes = new Command("nodes", "The nodes that live now") { _role };
        root.Handle(nodes, ListAsync);
        return nodes;
    }

    private async Task<int> ListAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var role = run.Arguments.GetValue(_role);
        if (role is not null && !Roles.All.Contains(role))
            throw new RefusalException($"--role: '{role}' must be one of {string.Join(", ", Roles.All)}");
        var nodes = new List<NodeInfo>();
        foreach (var entry in (await run.Etcd.ListAsync(role is null ? run.Keys.Nodes : $"{run.Keys.Nodes}{role}/", cancellationToken)).Entries)
        {
            try
            {
                nodes.Add(NodeInfoJson.Read(entry.Value, entry.CreateRevision));
            }
            catch (FormatException exception)
            {
                run.Output.Note($"{entry.Key} is left out: {exception.Message}");
            }
        }
        run.Output.List(
            [.. nodes.OrderBy(node => node.Role, StringComparer.Ordinal).ThenBy(node => node.Id, StringComparer.Ordinal)],
            ("role", node => node.Role),
            ("id", node => node.Id),
            ("incarnation", node => node.Incarnation.ToString(CultureInfo.InvariantCulture)),
            ("address", node => node.Port == 0 ? node.Host : $"{node.Host}:{node.Port}"),
            ("group", node => node.Group),
            ("version", node => node.Version),
            ("draining", node => node.Draining ? "yes" : ""),
            ("connections", Load));
        return ExitCodes.Done;
    }

    // Details belong to the role; of a room these two are worth a column.
    private static string Load(NodeInfo node)
    {
        if (Number(node, "connections") is not { } connections)
            return "";
        return Number(node, "capacity") is { } capacity and > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{connections} of {capacity} ({(double)connections / capacity:P0})")
            : connections.ToString(CultureInfo.InvariantCulture);
    }

    private static long? Number(NodeInfo node, string name) =>
        node.Details is { ValueKind: JsonValueKind.Object } details && details.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt64(out var number) ? number : null;
}
