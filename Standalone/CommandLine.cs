using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using PushSystem.Hosting.Lifetime;

namespace PushSystem.Standalone;

/// <summary>Reads the arguments into <see cref="StandaloneOptions"/>; wrong ones are named on the console.</summary>
internal static class CommandLine
{
    private static readonly string[] LogLevels = ["Trace", "Debug", "Information", "Warning", "Error"];

    /// <summary>Runs <paramref name="start"/> with the options, or prints help or errors; returns the exit code.</summary>
    public static Task<int> RunAsync(string[] args, Func<StandaloneOptions, Task<int>> start)
    {
        var defaults = new StandaloneOptions();
        var data = new Option<string>("--data") { Description = "folder for the database and the keys", DefaultValueFactory = _ => defaults.Data };
        var api = Address("--api", "where the HTTP API listens, ADDRESS:PORT", defaults.Api);
        var dispatcher = Address("--dispatcher", "where the dispatcher listens, ADDRESS:PORT", defaults.Dispatcher);
        var room = Address("--room", "where clients connect, ADDRESS:PORT", defaults.Room);
        var advertise = new Option<string?>("--advertise") { Description = "host name or address that clients are told; default: the room's address" };
        var noDemo = new Option<bool>("--no-demo") { Description = "no demo app and no demo device" };
        var noDevice = new Option<bool>("--no-demo-device") { Description = "the demo app, but no device for it" };
        var drain = new Option<int>("--drain-seconds") { Description = "longest time for a drain at Ctrl+C, 0 to 600", DefaultValueFactory = _ => 10 };
        drain.Validators.Add(result => Require(result, result.GetValueOrDefault<int>() is >= 0 and <= 600, "--drain-seconds: 0 to 600 are allowed"));
        var log = new Option<string>("--log") { Description = "console log level: " + string.Join(", ", LogLevels), DefaultValueFactory = _ => defaults.LogLevel };
        log.AcceptOnlyFromAmong(LogLevels);
        var root = new RootCommand("PushSystem in one process: dispatcher, room, register, saver, coordinator and center with embedded stores.")
        {
            data, api, dispatcher, room, advertise, noDemo, noDevice, drain, log,
        };
        root.SetAction(result => start(new StandaloneOptions
        {
            Data = Path.GetFullPath(result.GetValue(data)!),
            Api = result.GetValue(api)!,
            Dispatcher = result.GetValue(dispatcher)!,
            Room = result.GetValue(room)!,
            Advertise = result.GetValue(advertise),
            Demo = !result.GetValue(noDemo),
            DemoDevice = !result.GetValue(noDevice),
            DrainTime = TimeSpan.FromSeconds(result.GetValue(drain)),
            LogLevel = result.GetValue(log)!,
        }));
        // Ctrl+C belongs to StopSignal.
        var configuration = new InvocationConfiguration { ProcessTerminationTimeout = null };
        return root.Parse(args).InvokeAsync(configuration);
    }

    private static Option<IPEndPoint> Address(string name, string description, IPEndPoint value) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => value,
        CustomParser = result =>
        {
            if (result.Tokens.Count == 1 && IPEndPoint.TryParse(result.Tokens[0].Value, out var parsed) && parsed.Port > 0)
                return parsed;
            result.AddError($"{name}: '{string.Join(' ', result.Tokens)}' is not ADDRESS:PORT with a port from 1 to 65535, such as {value}");
            return value;
        },
    };

    private static void Require(SymbolResult result, bool condition, string message)
    {
        if (!condition)
            result.AddError(message);
    }
}
