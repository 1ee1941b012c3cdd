using PushSystem.TestSupport;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>
/// One node of a test's cluster as a process with a node file and a data folder that survive its death. Owned by
/// <see cref="TestCluster"/>.
/// </summary>
internal sealed class NodeProcess(string role, string id, string file) : IDisposable
{
    private ChildProcess? _process;

    public string Role => role;
    public string Id => id;
    public string Output => _process?.Output ?? "";

    private ChildProcess Process => _process ?? throw new InvalidOperationException($"{id} was not started");

    /// <summary>Starts the process and waits until it says that it is ready.</summary>
    public async Task StartAsync()
    {
        _process?.Dispose();
        var component = char.ToUpperInvariant(role[0]) + role[1..];
        _process = ChildProcess.Start(
            "dotnet", [Path.Combine(Gateway.Root, $"{component}/bin/{Gateway.Configuration}/net10.0/PushSystem.{component}.dll"), "--config", file]);
        await _process.Line(line => line.Contains("is ready", StringComparison.Ordinal), $"{id} is ready");
    }

    /// <summary>SIGKILL.</summary>
    public Task Kill() => Process.Kill();

    /// <summary>SIGSTOP.</summary>
    public void Pause() => Process.Signal(19);

    /// <summary>SIGCONT.</summary>
    public void Continue() => Process.Signal(18);

    public void Dispose() => _process?.Dispose();
}
