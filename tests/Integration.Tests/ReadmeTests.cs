using System.Text.RegularExpressions;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Integration.Tests;

/// <summary>What a newcomer does: the commands and the program of README.md, letter by letter.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string Readme = File.ReadAllText(Path.Combine(Gateway.Root, "README.md"));

    [Fact]
    public async Task The_first_command_starts_the_gateway_its_curl_line_works_and_the_ten_lines_receive_a_push()
    {
        var command = CommandLine().Match(Readme).Groups[1].Value;
        Assert.Equal("dotnet run --project Standalone", command);
        using var standalone = ChildProcess.Start("setsid", ["bash", "-c", "exec " + command], Gateway.Root);
        try
        {
            await standalone.Line(line => line.Contains("is ready", StringComparison.Ordinal), "Standalone is ready");
            var curl = (await standalone.Line(line => line.TrimStart().StartsWith("curl ", StringComparison.Ordinal), "a curl line")).Trim();
            Assert.Contains("/v1/messages", curl, StringComparison.Ordinal);
            var reply = await Bash(curl);
            Assert.Contains("\"state\":\"accepted\"", reply, StringComparison.Ordinal);
            await standalone.Line(line => line.Contains("received m", StringComparison.Ordinal), "the push arrives on the demo device");

            await RunTenLines(curl);
        }
        finally
        {
            // Ctrl+C in a terminal reaches every process of the group.
            standalone.SignalGroup(2);
            Assert.Equal(0, await standalone.Exit(TimeSpan.FromSeconds(60)));
        }
    }

    // The program stands in the README, and so does the way to its ticket.
    private static async Task RunTenLines(string curl)
    {
        var program = Program().Match(Readme).Groups[1].Value;
        Assert.InRange(program.Split('\n').Count(line => line.Trim().Length > 0), 5, 10);
        var folder = Directory.CreateTempSubdirectory("push-readme-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "Phone.cs"), program);
            await File.WriteAllTextAsync(Path.Combine(folder, "Phone.csproj"), $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup>
                    <OutputType>Exe</OutputType>
                    <TargetFramework>net10.0</TargetFramework>
                    <ImplicitUsings>enable</ImplicitUsings>
                    <Nullable>enable</Nullable>
                  </PropertyGroup>
                  <ItemGroup>
                    <ProjectReference Include="{Gateway.Root}/Client/Client.csproj" />
                  </ItemGroup>
                </Project>
                """);
            using (var build = ChildProcess.Start("dotnet", ["build", "-c", Gateway.Configuration, "-v", "quiet"], folder))
            {
                var code = await build.Exit(TimeSpan.FromMinutes(3));
                Assert.True(code == 0, $"the program of the README does not build:\n{build.Output}");
            }

            var key = ApiKey().Match(curl).Value;
            var ticketReply = await Bash($"curl -s -X POST http://127.0.0.1:7400/v1/tickets -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{\"user\":\"me\"}}'");
            var ticket = Ticket().Match(ticketReply).Groups[1].Value;
            using var phone = ChildProcess.Start("dotnet", [Path.Combine(folder, $"bin/{Gateway.Configuration}/net10.0/Phone.dll"), ticket], folder);
            await phone.Line(line => line.Contains("Online", StringComparison.Ordinal), "the ten lines are online");
            await Bash($"curl -s -X POST http://127.0.0.1:7400/v1/messages -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{\"user\":\"me\",\"text\":\"hello, ten lines\"}}'");
            await phone.Line(line => line.Contains("hello, ten lines", StringComparison.Ordinal), "the ten lines receive a push");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> Bash(string line)
    {
        using var process = ChildProcess.Start("bash", ["-c", line]);
        await process.Exit(TimeSpan.FromSeconds(30));
        return process.Output;
    }

    [GeneratedRegex(@"```sh\n(dotnet run --project Standalone)\s")]
    private static partial Regex CommandLine();

    [GeneratedRegex(@"```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Program();

    [GeneratedRegex(@"pk_[A-Za-z0-9_.-]+")]
    private static partial Regex ApiKey();

    [GeneratedRegex("\"ticket\":\"([^\"]+)\"")]
    private static partial Regex Ticket();
}
