using System.CommandLine;
using System.Globalization;
using PushSystem.Cluster.Configuration;

namespace PushSystem.Pushctl.Commands;

/// <summary>config get, validate, diff, apply, history, rollback.</summary>
internal sealed class ConfigCommands(PushctlCommand root)
{
    private readonly Argument<string> _file = new("FILE") { Description = "the document; - = standard input" };
    private readonly Argument<long> _number = new("N") { Description = "number in the history" };
    private readonly Option<string> _note = new("--note") { Description = "why, for the history", DefaultValueFactory = _ => "" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "show what would change and change nothing" };

    public Command Make()
    {
        var config = new Command("config", "The configuration that all nodes share");
        Add(config, "get", "Print the document in force", [], [], GetAsync);
        var validate = new Command("validate", "Check a document; etcd is not needed") { _file };
        root.HandleAlone(validate, ValidateAsync);
        config.Subcommands.Add(validate);
        Add(config, "diff", "Show what a document would change", [_file], [], DiffAsync);
        Add(config, "apply", "Put a document in force if nobody changed it meanwhile", [_file], [_note, _dryRun], ApplyAsync);
        Add(config, "history", "List earlier documents", [], [], HistoryAsync);
        Add(config, "rollback", "Put a document of the history in force again", [_number], [_note, _dryRun], RollbackAsync);
        return config;
    }

    private void Add(
        Command config, string name, string description, Argument[] arguments, Option[] options, Func<CommandRun, CancellationToken, Task<int>> work)
    {
        var command = new Command(name, description);
        foreach (var argument in arguments)
            command.Arguments.Add(argument);
        foreach (var option in options)
            command.Options.Add(option);
        root.Handle(command, work);
        config.Subcommands.Add(command);
    }

    private async Task<int> GetAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var stored = await Store(run).ReadAsync(cancellationToken);
        if (run.Output.IsJson)
        {
            run.Output.Json(new { stored.Revision, Document = stored.Yaml });
        }
        else if (stored.Revision == 0)
        {
            run.Output.Note("there is no document: defaults are in force");
        }
        else
        {
            run.Output.Note($"# revision {stored.Revision}");
            run.Output.Line(stored.Yaml.TrimEnd('\n'));
        }
        if (stored.Problem is not null)
            throw new RefusalException($"revision {stored.Revision} is not readable: {stored.Problem}");
        return ExitCodes.Done;
    }

    private async Task<int> ValidateAsync(ParseResult arguments, Output output)
    {
        var configuration = ClusterConfiguration.Parse(await ReadFileAsync(arguments));
        ConfigurationDocument.Pack(configuration.ToYaml());
        var count = ConfigurationDiff.Between(ClusterConfiguration.Empty, configuration).Count;
        if (output.IsJson)
            output.Json(new { Valid = true, Settings = count });
        else
            output.Line($"valid: {Count(count, "setting")}");
        return ExitCodes.Done;
    }

    private async Task<int> DiffAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var after = ClusterConfiguration.Parse(await ReadFileAsync(run.Arguments));
        Show(run.Output, ConfigurationDiff.Between(InForce(run, await Store(run).ReadAsync(cancellationToken)), after));
        return ExitCodes.Done;
    }

    private async Task<int> ApplyAsync(CommandRun run, CancellationToken cancellationToken) =>
        await PutAsync(run, await ReadFileAsync(run.Arguments), run.Arguments.GetValue(_note)!, cancellationToken);

    private async Task<int> RollbackAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var number = run.Arguments.GetValue(_number);
        var change = await Store(run).FindAsync(number, cancellationToken) ?? throw new RefusalException($"the history has no number {number}");
        var note = run.Arguments.GetValue(_note)!;
        return await PutAsync(run, change.Yaml, note.Length > 0 ? note : $"rollback to {number}", cancellationToken);
    }

    private async Task<int> PutAsync(CommandRun run, string yaml, string note, CancellationToken cancellationToken)
    {
        var after = ClusterConfiguration.Parse(yaml);
        var stored = await Store(run).ReadAsync(cancellationToken);
        var changes = ConfigurationDiff.Between(InForce(run, stored), after);
        var isDryRun = run.Arguments.GetValue(_dryRun);
        long? number = null;
        if (!isDryRun && (stored.Yaml != yaml || stored.Revision == 0))
        {
            number = await Store(run).ApplyAsync(yaml, stored.Revision, root.Surroundings.User, note, cancellationToken)
                ?? throw new RefusalException($"somebody changed the configuration after revision {stored.Revision}: nothing was applied; look at it again with config diff");
        }
        if (run.Output.IsJson)
        {
            run.Output.Json(new { Applied = number is not null, Number = number, Changes = changes });
            return ExitCodes.Done;
        }
        Show(run.Output, changes);
        run.Output.Line(isDryRun ? "nothing was applied (--dry-run)"
            : number is null ? "this document is in force already"
            : $"applied as number {number}: {Count(changes.Count, "change")}");
        return ExitCodes.Done;
    }

    private async Task<int> HistoryAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var history = await Store(run).HistoryAsync(cancellationToken);
        run.Output.List(
            [.. history.Select(change => new { change.Number, change.At, change.By, change.Note, Characters = change.Yaml.Length })],
            ("number", change => change.Number.ToString(CultureInfo.InvariantCulture)),
            ("at", change => change.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)),
            ("by", change => change.By),
            ("note", change => change.Note),
            ("characters", change => change.Characters.ToString(CultureInfo.InvariantCulture)));
        return ExitCodes.Done;
    }

    // What is wrong with the document in force must not keep anybody from replacing it.
    private static ClusterConfiguration InForce(CommandRun run, StoredConfiguration stored)
    {
        try
        {
            return stored.Problem is null ? ClusterConfiguration.Parse(stored.Yaml) : throw new ConfigurationException("", 0, stored.Problem);
        }
        catch (ConfigurationException exception)
        {
            run.Output.Note($"revision {stored.Revision} in etcd is not valid and compared as if it were empty: {exception.Message}");
            return ClusterConfiguration.Empty;
        }
    }

    private static void Show(Output output, IReadOnlyList<SettingChange> changes)
    {
        if (changes.Count == 0 && !output.IsJson)
        {
            output.Line("no setting differs");
            return;
        }
        output.List(changes, ("setting", change => change.Path), ("before", change => change.Before ?? "(default)"), ("after", change => change.After ?? "(default)"),
            ("holds", change => change.NeedsRestart ? "after restart" : "at once"));
    }

    private async Task<string> ReadFileAsync(ParseResult arguments)
    {
        var path = arguments.GetValue(_file)!;
        return path == "-" ? await root.Surroundings.Input.ReadToEndAsync() : await File.ReadAllTextAsync(path);
    }

    private ConfigurationStore Store(CommandRun run) => new(run.Etcd, run.Keys, root.Surroundings.Time);

    private static string Count(int count, string of) => count == 1 ? $"1 {of}" : $"{count} {of}s";
}
