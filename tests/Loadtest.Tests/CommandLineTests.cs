using System.CommandLine;
using PushSystem.Loadtest.CommandLine;
using Spectre.Console;
using Xunit;

namespace PushSystem.Loadtest.Tests;

public sealed class CommandLineTests
{
    private const string Key = "pk_my_app_0123456789012345678901234567890123456789_-a";

    [Theory]
    [InlineData("--clients 0", "--clients 0 is out of range: 1 to 1000000")]
    [InlineData("--batch 1001", "--batch 1001 is out of range: 1 to 1000")]
    [InlineData("--size 10", "--size 10 is out of range: 55 to 65536")]
    [InlineData("--level best", "best")]
    [InlineData("--clients many", "many")]
    [InlineData("--api ftp://x", "--api: 'ftp://x' is not an http or https URL")]
    [InlineData("--user-prefix a\"b", "--user-prefix: 1 to 40")]
    [InlineData("--ticket-key abc", "--ticket-key: the form is id:secret")]
    [InlineData("--ticket-key 1:$$$", "--ticket-key: the secret is not base64url")]
    [InlineData("--source 127.0.0.300", "--source: '127.0.0.300' is not an IP address")]
    [InlineData("--api-key wrong", "--app is needed")]
    [InlineData("--no-such-option", "--no-such-option")]
    public async Task Wrong_arguments_are_named_and_nothing_is_run(string arguments, string expected)
    {
        var (code, _, error) = await RunAsync(
            ["unicast", .. arguments.StartsWith("--api-key") ? [] : (string[])["--api-key", Key], .. arguments.Split(' ')]);
        Assert.Equal(LoadtestCommand.BadArguments, code);
        Assert.Contains(expected, error);
    }

    [Fact]
    public async Task Clients_need_a_way_to_get_tickets()
    {
        var (code, _, error) = await RunAsync(["connect", "--app", "shop"]);
        Assert.Equal(LoadtestCommand.BadArguments, code);
        Assert.Contains("--api-key or --ticket-key is needed", error);
    }

    [Fact]
    public async Task Sending_needs_an_api_key()
    {
        var (code, _, error) = await RunAsync(["unicast", "--app", "shop", "--ticket-key", "1:AAAA"]);
        Assert.Equal(LoadtestCommand.BadArguments, code);
        Assert.Contains("--api-key is needed to send", error);
    }

    [Theory]
    [InlineData("connect", "--hold")]
    [InlineData("unicast", "--concurrency")]
    [InlineData("broadcast", "--throttle")]
    public async Task Help_lists_the_scenarios_own_and_the_shared_options(string scenario, string own)
    {
        var (code, output, _) = await RunAsync([scenario, "--help"]);
        Assert.Equal(0, code);
        Assert.Contains(own, output);
        Assert.Contains("--ticket-key", output);
    }

    [Theory]
    [InlineData(Key, "my_app")]
    [InlineData("pk_a_0123456789012345678901234567890123456789_-a", "a")]
    [InlineData("pa_0123456789012345678901234567890123456789_-a", null)]
    [InlineData("pk__0123456789012345678901234567890123456789_-a", null)]
    [InlineData("", null)]
    public void The_app_is_read_from_the_api_key(string key, string? app) => Assert.Equal(app, SharedOptions.AppOf(key));

    [Fact]
    public void A_ticket_key_is_read_from_its_text_form()
    {
        var key = SharedOptions.ParseTicketKey("7:AAEC_w");
        Assert.Equal(7u, key!.Value.Id);
        Assert.Equal([0, 1, 2, 255], key.Value.Secret.ToArray());
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No });
        var code = await LoadtestCommand.RunAsync(args, console, new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }
}
