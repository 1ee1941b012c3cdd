namespace PushSystem.TestSupport.Servers;

/// <summary>redis-cli, for what a test does to a server from outside.</summary>
public static class RedisCli
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Runs one command and returns what it printed. Throws when it failed.</summary>
    public static async Task<string> RunAsync(int port, params string[] arguments)
    {
        using var process = ChildProcess.Start("redis-cli", ["-h", "127.0.0.1", "-p", $"{port}", .. arguments]);
        var code = await process.Exit(Limit);
        return code == 0 ? process.Output : throw new InvalidOperationException($"redis-cli {string.Join(' ', arguments)}: {process.Output}");
    }
}
