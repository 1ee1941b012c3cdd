using System.Text.Json.Nodes;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Pushctl.Tests;

/// <summary>The program itself against a real etcd, as a person in a shell uses it.</summary>
public sealed class RealEtcdTests
{
    [Fact]
    public async Task The_program_applies_lists_and_rolls_back_and_says_when_etcd_is_away()
    {
        await using var etcd = await EtcdServer.StartAsync();
        var file = Path.Combine(etcd.Folder, "push.yaml");
        await File.WriteAllTextAsync(file, "room:\n  gracePeriod: 40s\n");
        Assert.Contains("\"partitions\": 8", await Run(etcd, 0, "cluster", "init", "--partitions", "8", "--registry-parts", "8", "--json"), StringComparison.Ordinal);
        await Run(etcd, 1, "cluster", "init");
        Assert.Contains("applied as number 1", await Run(etcd, 0, "config", "apply", file), StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, "room:\n  gracePeriod: 50s\n");
        Assert.Contains("applied as number 2", await Run(etcd, 0, "config", "apply", file), StringComparison.Ordinal);
        Assert.Contains("applied as number 3", await Run(etcd, 0, "config", "rollback", "1"), StringComparison.Ordinal);
        Assert.Contains("gracePeriod: 40s", await Run(etcd, 0, "config", "get"), StringComparison.Ordinal);
        Assert.Equal(3, JsonNode.Parse(await Run(etcd, 0, "config", "history", "--json"))!.AsArray().Count);
        Assert.Equal("[]", (await Run(etcd, 0, "nodes", "--json")).Trim());
        await etcd.Kill();
        Assert.Contains("etcd: ", await Run(etcd, 2, "config", "get"), StringComparison.Ordinal);
    }

    private static async Task<string> Run(EtcdServer etcd, int expect, params string[] args)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "PushSystem.Pushctl.dll");
        using var process = ChildProcess.Start("dotnet", [program, "--etcd", etcd.Endpoint, "--cluster", "shell", .. args]);
        var code = await process.Exit(TimeSpan.FromSeconds(60));
        Assert.True(code == expect, $"{string.Join(' ', args)}: exit code {code} instead of {expect}\n{process.Output}");
        return process.Output;
    }
}
