using System.CommandLine;
using System.Text.Json;
using PushSystem.Loadtest.CommandLine;
using PushSystem.Loadtest.Tests.Fakes;
using Spectre.Console;
using Xunit;

namespace PushSystem.Loadtest.Tests;

/// <summary>Whole runs by the command line against a gateway that is right, or wrong in one way.</summary>
public sealed class ScenarioTests
{
    private const string Key = "pk_shop_0123456789012345678901234567890123456789_-a";

    [Fact]
    public async Task A_right_gateway_passes_by_time()
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.None);
        var (code, report) = await RunAsync(gateway, "unicast --clients 40 --duration 0.3 --batch 10 --concurrency 3 --ticket-key 1:AAAA");
        Assert.Equal(0, code);
        Assert.True(report.GetProperty("ok").GetBoolean());
        Assert.True(Metric(report, "accepted") > 0);
        Assert.Equal(Metric(report, "accepted"), Metric(report, "received"));
        Assert.Equal(Metric(report, "received"), Metric(report, "latency_count"));
        Assert.Equal(40, Metric(report, "online"));
        Assert.Equal($"Bearer {Key}", gateway.LastAuthorization);
    }

    [Theory]
    [InlineData("--batch 1 --count 150")]
    [InlineData("--batch 7 --count 150")]
    [InlineData("--batch 7 --count 150 --rate 3000")]
    [InlineData("--batch 150 --count 150 --concurrency 1 --clients 3")]
    [InlineData("--batch 10 --count 150 --concurrency 64 --clients 5 --loops 4")]
    public async Task Exactly_the_wanted_number_is_sent_in_every_shape(string options)
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.None);
        var (code, report) = await RunAsync(gateway, $"unicast --clients 20 {options}".Replace("--clients 20", options.Contains("--clients") ? "" : "--clients 20"));
        Assert.Equal(0, code);
        Assert.Equal((150, 150, 150), (Metric(report, "sent"), Metric(report, "accepted"), Metric(report, "received")));
    }

    [Theory]
    [InlineData(Fault.LosesOne, "lost")]
    [InlineData(Fault.RepeatsOneUnderANewNumber, "duplicates")]
    [InlineData(Fault.SwapsTwo, "reordered")]
    [InlineData(Fault.SendsOneToSomebodyElse, "foreign")]
    [InlineData(Fault.DeliversWhatItRefused, "unexpected")]
    [InlineData(Fault.SkipsANumber, "stream_gaps")]
    public async Task A_wrong_gateway_fails_with_the_fault_named(Fault fault, string metric)
    {
        await using var gateway = await FakeGateway.StartAsync(fault);
        var (code, report) = await RunAsync(gateway, "unicast --clients 10 --count 400 --batch 40 --concurrency 2 --drain 0.5");
        Assert.Equal(1, code);
        Assert.False(report.GetProperty("ok").GetBoolean());
        Assert.NotEmpty(report.GetProperty("errors").EnumerateArray());
        Assert.True(Metric(report, metric) > 0, $"{metric} is 0");
        foreach (var other in ((string[])["lost", "duplicates", "reordered", "foreign", "unexpected", "stream_gaps"]).Where(name => name != metric))
            Assert.Equal(0, Metric(report, other));
    }

    [Fact]
    public async Task Lost_connections_are_survived_and_nothing_is_counted_twice()
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.DropsAllConnectionsOnce);
        var (code, report) = await RunAsync(gateway, "unicast --clients 10 --count 400 --batch 20");
        Assert.Equal(0, code);
        Assert.True(Metric(report, "disconnects") > 0);
        Assert.Equal((400, 400), (Metric(report, "accepted"), Metric(report, "received")));
    }

    [Fact]
    public async Task A_run_in_which_nothing_arrives_fails()
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.RefusesEverything);
        var (code, report) = await RunAsync(gateway, "unicast --clients 2 --count 10 --batch 5");
        Assert.Equal(1, code);
        Assert.Equal(10, Metric(report, "refused"));
        Assert.Contains("nothing was delivered", Errors(report));
        Assert.Contains(report.GetProperty("notes").EnumerateObject(), note => note.Name.Contains("status 403"));
    }

    [Fact]
    public async Task Broadcasts_reach_everyone_and_are_timed_to_the_last()
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.None);
        var (code, report) = await RunAsync(gateway, "broadcast --clients 30 --broadcasts 5");
        Assert.Equal(0, code);
        Assert.Equal((5, 5, 150, 5), (Metric(report, "accepted"), Metric(report, "complete"), Metric(report, "received"), Metric(report, "time_to_last_count")));
        Assert.True(Metric(report, "deliveries_per_second_best") > 0);
    }

    [Fact]
    public async Task A_broadcast_that_misses_one_client_fails()
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.LosesOne);
        var (code, report) = await RunAsync(gateway, "broadcast --clients 5 --broadcasts 3 --rate 100 --drain 0.3");
        Assert.Equal(1, code);
        Assert.True(Metric(report, "lost") > 0);
    }

    [Fact]
    public async Task Connecting_reports_logins_and_holds()
    {
        await using var gateway = await FakeGateway.StartAsync(Fault.None);
        var (code, report) = await RunAsync(gateway, $"connect --clients 25 --hold 0.2 --server-pid {Environment.ProcessId}");
        Assert.Equal(0, code);
        Assert.Equal((25, 25, 0), (Metric(report, "online"), Metric(report, "online_at_end"), Metric(report, "login_failures")));
        Assert.Equal(25, Metric(report, "login_count"));
        Assert.True(Metric(report, "server_rss_bytes") > 1_000_000);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_an_error_in_words()
    {
        var (code, report) = await RunAsync(null, "connect --clients 2 --hold 0.1 --dispatcher http://127.0.0.1:9");
        Assert.Equal(1, code);
        Assert.Contains("http://127.0.0.1:9/v1/route", Assert.Single(Errors(report)));
    }

    [Fact]
    public async Task Clients_that_cannot_connect_fail_the_run()
    {
        var (code, report) = await RunAsync(null, "connect --clients 2 --hold 0.1 --room 127.0.0.1:9 --ticket-key 1:AAAA --login-timeout 0.1");
        Assert.Equal(1, code);
        Assert.Contains("only 0 of 2 clients came online", Errors(report)[0]);
    }

    private static string[] Errors(JsonElement report) => [.. report.GetProperty("errors").EnumerateArray().Select(error => error.GetString()!)];

    private static double Metric(JsonElement report, string name) => report.GetProperty("metrics").GetProperty(name).GetDouble();

    private static async Task<(int Code, JsonElement Report)> RunAsync(FakeGateway? gateway, string arguments)
    {
        var file = Path.GetTempFileName();
        try
        {
            using var output = new StringWriter();
            var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No });
            string[] target = gateway is null ? [] : ["--api", gateway.Url, "--dispatcher", gateway.Url];
            var code = await LoadtestCommand.RunAsync(
                [.. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--api-key", Key, "--json", file, .. target], console,
                new InvocationConfiguration { Output = output, Error = output });
            var text = await File.ReadAllTextAsync(file);
            Assert.True(text.Length > 0, output.ToString());
            return (code, JsonDocument.Parse(text).RootElement);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
