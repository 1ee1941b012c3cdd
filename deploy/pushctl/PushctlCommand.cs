using System.CommandLine;
using System.Security.Cryptography;
using PushSystem.Cluster;
using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Etcd;
using PushSystem.Pushctl.Commands;

namespace PushSystem.Pushctl;

/// <summary>
/// The command line: what there is, and what every command does around its work (opening etcd, telling errors in one line each).
/// Owns nothing beyond a run; one thread; nothing to dispose.
/// </summary>
internal sealed class PushctlCommand
{
    private readonly Surroundings _surroundings;
    private readonly GlobalOptions _options;

    public PushctlCommand(Surroundings surroundings)
    {
        _surroundings = surroundings;
        _options = new GlobalOptions(surroundings.Environment);
    }

    /// <summary>Runs one command line; the result is the process's exit code.</summary>
    public Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("Reads and changes what a PushSystem cluster keeps in etcd. Exit codes: 0 done, 1 invalid or refused, 2 etcd unreachable.");
        _options.AddTo(root);
        root.Subcommands.Add(new ConfigCommands(this).Make());
        root.Subcommands.Add(new NodeCommands(this).Make());
        root.Subcommands.Add(new AppCommands(this).Make());
        root.Subcommands.Add(new ClusterCommands(this).Make());
        return root.Parse(args).InvokeAsync(new InvocationConfiguration { Output = _surroundings.Output, Error = _surroundings.Error });
    }

    public Surroundings Surroundings => _surroundings;

    public GlobalOptions Options => _options;

    /// <summary>A command that needs etcd.</summary>
    public void Handle(Command command, Func<CommandRun, CancellationToken, Task<int>> work) => command.SetAction((result, cancellationToken) => GuardAsync(async () =>
    {
        var keys = _options.Keys(result);
        var etcd = _surroundings.Etcd(_options.Etcd(result));
        try
        {
            return await work(new CommandRun(result, etcd, keys, Output(result)), cancellationToken);
        }
        finally
        {
            if (etcd is IAsyncDisposable disposable)
                await disposable.DisposeAsync();
        }
    }));

    /// <summary>A command that needs nothing.</summary>
    public void HandleAlone(Command command, Func<ParseResult, Output, Task<int>> work) =>
        command.SetAction((result, _) => GuardAsync(() => work(result, Output(result))));

    private Output Output(ParseResult result) => new(_surroundings, result.GetValue(_options.Json));

    private async Task<int> GuardAsync(Func<Task<int>> work)
    {
        try
        {
            return await work();
        }
        catch (ConfigurationException exception)
        {
            foreach (var error in exception.Errors)
                await _surroundings.Error.WriteLineAsync($"{error}");
            return ExitCodes.Refused;
        }
        catch (EtcdException exception)
        {
            await _surroundings.Error.WriteLineAsync($"etcd: {exception.Message}");
            return exception.IsRefused ? ExitCodes.Refused : ExitCodes.Unreachable;
        }
        catch (Exception exception) when (exception is RefusalException or IOException or UnauthorizedAccessException or InvalidDataException
            or ArgumentException or CryptographicException)
        {
            await _surroundings.Error.WriteLineAsync(exception.Message);
            return ExitCodes.Refused;
        }
    }
}

/// <summary>What a command works with.</summary>
internal sealed record CommandRun(ParseResult Arguments, IEtcd Etcd, ClusterKeys Keys, Output Output);
