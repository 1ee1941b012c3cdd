using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Pushctl;

/// <summary>
/// Everything outside of the program that commands use, so that tests can stand in for it. Immutable.
/// </summary>
internal sealed record Surroundings
{
    /// <summary>Standard output: results only.</summary>
    public required TextWriter Output { get; init; }
    /// <summary>Standard error: everything else.</summary>
    public required TextWriter Error { get; init; }
    /// <summary>Standard input, for "-" instead of a file.</summary>
    public required TextReader Input { get; init; }
    /// <summary>Columns of the terminal, 0 = none: tables are then as wide as they need.</summary>
    public required int Width { get; init; }
    /// <summary>Environment variables.</summary>
    public required Func<string, string?> Environment { get; init; }
    /// <summary>Opens etcd; what is disposable of it is disposed after the command.</summary>
    public required Func<EtcdOptions, IEtcd> Etcd { get; init; }
    /// <summary>Who is written into the history.</summary>
    public required string User { get; init; }
    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    public static Surroundings OfProcess() => new()
    {
        Output = Console.Out,
        Error = Console.Error,
        Input = Console.In,
        Width = Console.IsOutputRedirected ? 0 : Console.WindowWidth,
        Environment = System.Environment.GetEnvironmentVariable,
        Etcd = options => new EtcdClient(options, TimeProvider.System, NullLogger<EtcdClient>.Instance),
        User = $"{System.Environment.UserName}@{System.Environment.MachineName}",
        Time = TimeProvider.System,
    };
}
