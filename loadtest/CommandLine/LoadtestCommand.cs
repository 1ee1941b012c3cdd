using System.CommandLine;
using System.Security.Cryptography;
using PushSystem.Loadtest.Checks;
using PushSystem.Loadtest.Reports;
using PushSystem.Loadtest.Scenarios;
using PushSystem.Protocol;
using Spectre.Console;

namespace PushSystem.Loadtest.CommandLine;

/// <summary>The command line: one command for each scenario. Exit codes: 0 ok, 1 the run failed, 2 wrong arguments.</summary>
internal static class LoadtestCommand
{
    public const int Ok = 0, Failed = 1, BadArguments = 2;

    /// <summary>Parses and runs; wrong arguments are explained on the error output.</summary>
    public static async Task<int> RunAsync(string[] args, IAnsiConsole console, InvocationConfiguration? configuration = null)
    {
        var parsed = Build(console).Parse(args);
        var code = await parsed.InvokeAsync(configuration);
        return parsed.Errors.Count > 0 ? BadArguments : code;
    }

    private static RootCommand Build(IAnsiConsole console)
    {
        var root = new RootCommand("Drives a push server with many connections, measures it and checks that nothing is lost.");
        root.Subcommands.Add(Connect(console));
        root.Subcommands.Add(Unicast(console));
        root.Subcommands.Add(Broadcast(console));
        return root;
    }

    private static Command Connect(IAnsiConsole console)
    {
        var hold = SharedOptions.Seconds("--hold", "Seconds that the connections are held.", 10, 0, 86_400);
        var command = new Command("connect", "Brings clients online, holds them with heartbeats and counts who is lost.") { hold };
        return Finish(command, console, (result, _) => new ConnectScenario(new ConnectSettings(TimeSpan.FromSeconds(result.GetValue(hold)))), sends: false);
    }

    private static Command Unicast(IAnsiConsole console)
    {
        var rate = SharedOptions.Number("--rate", "Messages per second on a fixed schedule; 0 = as fast as the requests in flight allow.", 0, 0, 10_000_000);
        var concurrency = SharedOptions.Number("--concurrency", "Requests in flight; each has its own share of the users.", 8, 1, 1_024);
        var batch = SharedOptions.Number("--batch", "Messages per request.", 100, 1, 1_000);
        var level = new Option<string>("--level") { Description = "Durability level.", DefaultValueFactory = _ => "durable" };
        level.AcceptOnlyFromAmong("transient", "stored", "durable");
        var size = SharedOptions.Number("--size", "Payload bytes.", 100, PayloadStamp.Size, ProtocolLimits.DefaultMaxPayload);
        var duration = SharedOptions.Seconds("--duration", "Seconds to send.", 10, 0.1, 86_400);
        var count = SharedOptions.Number("--count", "Messages to send instead of a time, 0 = by time.", 0, 0, int.MaxValue);
        var command = new Command("unicast", "Sends messages to single users, times them to the client and checks that none is lost.")
        {
            rate, concurrency, batch, level, size, duration, count,
        };
        return Finish(command, console, (result, common) => new UnicastScenario(common, new UnicastSettings(
            result.GetValue(rate), result.GetValue(concurrency), result.GetValue(batch), result.GetValue(level)!, result.GetValue(size),
            TimeSpan.FromSeconds(result.GetValue(duration)), result.GetValue(count)), NewRun(), TimeProvider.System));
    }

    private static Command Broadcast(IAnsiConsole console)
    {
        var broadcasts = SharedOptions.Number("--broadcasts", "Number of broadcasts.", 10, 1, 100_000);
        var rate = SharedOptions.Seconds("--rate", "Broadcasts per second; 0 = each after the one before has arrived everywhere.", 0, 0, 1_000);
        var throttle = SharedOptions.Number("--throttle", "Persons per second that the server may reach, 0 = unlimited.", 0, 0, 10_000_000);
        var size = SharedOptions.Number("--size", "Payload bytes.", 100, PayloadStamp.Size, ProtocolLimits.DefaultMaxPayload);
        var command = new Command("broadcast", "Sends to everyone, times each broadcast to its last client and checks that each arrives once.")
        {
            broadcasts, rate, throttle, size,
        };
        return Finish(command, console, (result, common) => new BroadcastScenario(common, new BroadcastSettings(
            result.GetValue(broadcasts), result.GetValue(rate), result.GetValue(throttle), result.GetValue(size)), NewRun(), TimeProvider.System));
    }

    private static Command Finish(Command command, IAnsiConsole console, Func<ParseResult, CommonSettings, IScenario> scenario, bool sends = true)
    {
        var shared = new SharedOptions();
        shared.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            if (shared.Check(result, sends) is { Count: > 0 } errors)
            {
                foreach (var error in errors)
                    await result.InvocationConfiguration.Error.WriteLineAsync(error);
                return BadArguments;
            }
            var common = shared.Read(result);
            var report = await ScenarioRunner.RunAsync(scenario(result, common), common, console, TimeProvider.System, cancellationToken);
            ReportWriter.Print(console, report);
            if (common.JsonFile is { } file)
                await ReportWriter.SaveAsync(file, report, CancellationToken.None);
            return report.Ok ? Ok : Failed;
        });
        return command;
    }

    // Tells this run's messages from those that an earlier run left in the mailboxes.
    private static uint NewRun() => BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(4));
}
