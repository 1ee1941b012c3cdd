using System.Diagnostics;
using System.Text.RegularExpressions;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>What a newcomer does first: start the cluster by its script, run the printed curl line, press Ctrl+C.</summary>
[Collection("cluster")]
public sealed partial class LocalScriptTests
{
    [Fact]
    public async Task The_script_starts_a_cluster_that_takes_a_push_and_stops_without_leaving_anything()
    {
        var data = Directory.CreateTempSubdirectory("push-script-").FullName;
        try
        {
            using var script = ChildProcess.Start(
                "setsid", [Path.Combine(Gateway.Root, "deploy/cluster/local.sh"), "--no-build", "--each", "1", "--data", data, "--port", $"{FreePorts.Take(1)[0]}"],
                environment: [KeyValuePair.Create("CONFIGURATION", Gateway.Configuration)]);
            await script.Line(line => line.Contains("Ctrl+C stops everything", StringComparison.Ordinal), "the script is done");
            var curl = await script.Line(line => line.Contains("curl -s -X POST", StringComparison.Ordinal), "the curl line");
            using (var push = ChildProcess.Start("bash", ["-c", curl.Trim()]))
            {
                Assert.Equal(0, await push.Exit(Waiting.Limit));
                Assert.Matches("\"id\":\"m[0-9]+-1\"", push.Output);
            }
            var nodes = Directory.EnumerateFiles(data, "*.yaml").Select(File.ReadAllText).ToArray();
            Assert.Equal(6, nodes.Length);

            script.Signal(15);
            Assert.Equal(0, await script.Exit(TimeSpan.FromSeconds(60)));

            foreach (var port in nodes.SelectMany(file => Port().Matches(file)).Select(match => int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).Distinct())
                Assert.Throws<System.Net.Sockets.SocketException>(() => new System.Net.Sockets.TcpClient("127.0.0.1", port));
            Assert.DoesNotContain(Process.GetProcesses(), process => CommandLine(process.Id).Contains(data, StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static string CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline");
        }
        catch (IOException)
        {
            // It has ended since it was listed.
            return "";
        }
    }

    [GeneratedRegex(@"127\.0\.0\.1:(\d+)")]
    private static partial Regex Port();
}
