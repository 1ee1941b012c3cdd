using System.Diagnostics;
using System.Globalization;
using PushSystem.Loadtest.Api;
using PushSystem.Loadtest.Clients;
using PushSystem.Loadtest.Reports;
using Spectre.Console;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>One kind of load.</summary>
internal interface IScenario
{
    /// <summary>The name in the report.</summary>
    string Name { get; }

    /// <summary>Takes what the clients receive.</summary>
    IPushSink Sink { get; }

    /// <summary>HTTP connections needed.</summary>
    int ApiConnections { get; }

    /// <summary>Runs with all clients online and fills the report. May say in words what it does.</summary>
    Task RunAsync(ScenarioContext context, CancellationToken cancellationToken);

    /// <summary>Adds the check's verdict, after every client loop has ended.</summary>
    void Judge(ScenarioContext context);

    /// <summary>Values for the live view.</summary>
    IEnumerable<(string Name, string Value)> Live(double secondsSinceLast);
}

/// <summary>What a running scenario works with.</summary>
internal sealed class ScenarioContext(CommonSettings settings, PushApi api, ClientFleet fleet, ServerProbe probe, RunReport report, TimeProvider time)
{
    public CommonSettings Settings { get; } = settings;
    public PushApi Api { get; } = api;
    public ClientFleet Fleet { get; } = fleet;
    public ServerProbe Probe { get; } = probe;
    public RunReport Report { get; } = report;
    public TimeProvider Time { get; } = time;

    /// <summary>Shown in the live view.</summary>
    public string Phase { get; set; } = "";
}

/// <summary>
/// Runs a scenario from the first connection to the report: tickets, ramp, the scenario itself, the end of the loops, the verdict.
/// Called once by the command; owns everything that it makes.
/// </summary>
internal static class ScenarioRunner
{
    public static async Task<RunReport> RunAsync(
        IScenario scenario, CommonSettings settings, IAnsiConsole console, TimeProvider time, CancellationToken cancellationToken)
    {
        var report = new RunReport(scenario.Name);
        using var api = new PushApi(settings.Target.Api, settings.Target.ApiKey, Math.Max(scenario.ApiConnections, 8), settings.ApiTimeout, time);
        var probe = new ServerProbe(settings.ServerPid, api);
        try
        {
            CheckDescriptors(settings.Clients);
            var rooms = await Targets.RoomsAsync(settings.Target, settings.UserPrefix + "0", time, cancellationToken);
            var clients = settings.ClientsAt(rooms);
            var tickets = await Targets.TicketsAsync(settings.Target, clients, api, time, _ => { }, cancellationToken);
            await RunAsync(scenario, settings, clients, tickets, api, probe, report, console, time, cancellationToken);
        }
        catch (LoadtestException exception)
        {
            report.Fail(exception.Message);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            report.Fail("interrupted");
        }
        return report;
    }

    private static async Task RunAsync(
        IScenario scenario, CommonSettings settings, ClientSettings clients, Func<int, ReadOnlyMemory<byte>> tickets, PushApi api, ServerProbe probe,
        RunReport report, IAnsiConsole console, TimeProvider time, CancellationToken cancellationToken)
    {
        ScenarioContext context;
        var cpuBefore = Cpu();
        var serverCpuBefore = probe.CpuSeconds();
        using (var fleet = new ClientFleet(clients, scenario.Sink, tickets, time))
        {
            context = new ScenarioContext(settings, api, fleet, probe, report, time);
            await using (new LiveView(console, settings.Plain, Sampler(scenario, context), time))
            {
                if (await ConnectAsync(context, cancellationToken))
                {
                    var before = fleet.Loops.Select(loop => loop.Times).ToArray();
                    await scenario.RunAsync(context, cancellationToken);
                    // Close to 100 the latencies tell of the harness, not of the server.
                    report.Add("client_loop_busy_percent", Math.Round(fleet.Loops.Zip(before, (loop, then) => loop.BusyPercentSince(then)).Max(), 1));
                }
            }
            foreach (var fault in fleet.Loops.Select(loop => loop.Fault).OfType<Exception>())
                report.Fail($"a client loop ended: {fault}");
            AddClientCounts(context);
        }
        // The loops have ended: their ledgers stand still now.
        scenario.Judge(context);
        report.Add("server_rss_bytes", await probe.ResidentBytesAsync(cancellationToken));
        report.Add("server_cpu_seconds", Math.Round(probe.CpuSeconds() - serverCpuBefore, 2));
        report.Add("harness_cpu_seconds", Math.Round(Cpu() - cpuBefore, 2));
    }

    /// <summary>Brings all clients online; false, with an error in the report, when some stay away.</summary>
    private static async Task<bool> ConnectAsync(ScenarioContext context, CancellationToken cancellationToken)
    {
        var (settings, fleet, report, time) = (context.Settings, context.Fleet, context.Report, context.Time);
        context.Phase = "connecting";
        var memoryBefore = await context.Probe.ResidentBytesAsync(cancellationToken);
        var started = time.GetTimestamp();
        await fleet.StartAllAsync(settings.Ramp, cancellationToken);
        var all = await fleet.WaitOnlineAsync(settings.LoginTimeout + TimeSpan.FromSeconds(5), cancellationToken);
        var seconds = time.GetElapsedTime(started).TotalSeconds;
        var online = fleet.Sum(stats => Volatile.Read(ref stats.Online));
        var memoryAfter = await context.Probe.ResidentBytesAsync(cancellationToken);
        var latency = new LatencyHistogram();
        foreach (var loop in fleet.Loops)
            latency.Add(loop.Stats.LoginLatency);
        report.Add("clients", settings.Clients);
        report.Add("online", online);
        report.Add("connect_seconds", Math.Round(seconds, 3));
        report.Add("connects_per_second", Math.Round(online / seconds, 1));
        report.Add("login", latency);
        report.Add("server_rss_before_bytes", memoryBefore);
        report.Add("server_rss_online_bytes", memoryAfter);
        if (online > 0 && memoryBefore > 0)
            report.Add("server_bytes_per_connection", Math.Round((memoryAfter - memoryBefore) / (double)online));
        if (!all)
            report.Fail($"only {online} of {settings.Clients} clients came online within {seconds:0.0} s");
        return all;
    }

    private static void AddClientCounts(ScenarioContext context)
    {
        var (fleet, report) = (context.Fleet, context.Report);
        report.Add("connect_attempts", fleet.Sum(stats => stats.Connects));
        report.Add("login_failures", fleet.Sum(stats => stats.LoginFailures));
        report.Add("disconnects", fleet.Sum(stats => stats.Disconnects));
        report.Add("pushes", fleet.Sum(stats => stats.Pushes));
        report.Add("wire_repeats", fleet.Sum(stats => stats.Repeated));
        report.Add("resets", fleet.Sum(stats => stats.Resets));
        report.Add("acks", fleet.Sum(stats => stats.Acks));
        report.Add("pings", fleet.Sum(stats => stats.Pings));
        report.Add("pongs", fleet.Sum(stats => stats.Pongs));
        report.Add("bytes_received", fleet.Sum(stats => stats.BytesReceived));
        foreach (var loop in fleet.Loops)
        {
            foreach (var (text, count) in loop.Stats.Reasons)
                report.Notes[text] = report.Notes.GetValueOrDefault(text) + count;
        }
    }

    private static Func<LiveSample> Sampler(IScenario scenario, ScenarioContext context)
    {
        var last = context.Time.GetTimestamp();
        return () =>
        {
            var now = context.Time.GetTimestamp();
            var seconds = Math.Max(0.001, context.Time.GetElapsedTime(last, now).TotalSeconds);
            last = now;
            List<(string, string)> values =
            [
                ("online", Number(context.Fleet.Sum(stats => Volatile.Read(ref stats.Online)))),
                ("lost connections", Number(context.Fleet.Sum(stats => Volatile.Read(ref stats.Disconnects) + Volatile.Read(ref stats.LoginFailures)))),
            ];
            values.AddRange(scenario.Live(seconds));
            return new LiveSample(context.Phase, values);
        };
    }

    /// <summary>A number for people.</summary>
    public static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static double Cpu()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime.TotalSeconds;
    }

    /// <summary>Says it before the run when the process cannot hold so many sockets.</summary>
    private static void CheckDescriptors(int clients)
    {
        if (!OperatingSystem.IsLinux())
            return;
        foreach (var line in File.ReadLines("/proc/self/limits"))
        {
            if (!line.StartsWith("Max open files", StringComparison.Ordinal))
                continue;
            var fields = line["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (long.TryParse(fields[0], CultureInfo.InvariantCulture, out var most) && clients + 300 > most)
                throw new LoadtestException(
                    $"--clients {clients}: this process may open {most} files; run several processes with --offset, at most {most - 300} clients each");
        }
    }
}
