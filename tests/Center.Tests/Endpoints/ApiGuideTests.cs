using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PushSystem.Center.Auth;
using PushSystem.Center.Multicasts;
using PushSystem.Contracts;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

/// <summary>docs/api.md says what the API does: its commands work, and it names every path and problem.</summary>
public sealed partial class ApiGuideTests
{
    private static readonly string Guide = File.ReadAllText(Path.Combine(Root(), "docs", "api.md"));

    [Fact]
    public async Task Every_command_of_the_guide_works_in_its_order()
    {
        await using var host = await CenterHost.StartAsync(prepare: host => host.Rooms.Add("room-1").OnFanout = _ => new FanoutProgress(true, false, 1, 0));
        host.Mailboxes.Statuses[(new UserKey(CenterHost.App, "alice"), 1, 1)] = new MessageStatus(MessageState.Acked, 1, 2);
        // The guide's multicast is steered before anybody may have ended it.
        var gate = new TaskCompletionSource();
        host.Mailboxes.BeforeAppend = () => host.Multicasts.Count > 0 ? gate.Task : Task.CompletedTask;
        var count = 0;
        foreach (Match command in Command().Matches(Guide.Replace("\\\n", "", StringComparison.Ordinal)))
        {
            var text = command.Value;
            var path = ApiPath().Match(text).Groups[1].Value;
            if (path.Length == 0 || path.Contains("$ID", StringComparison.Ordinal))
                continue;
            var method = Method().Match(text) is { Success: true } named ? named.Groups[1].Value : "GET";
            var body = Body().Match(text) is { Success: true } data ? data.Groups[1].Value : null;
            var key = text.Contains("Bearer $ADMIN", StringComparison.Ordinal) ? host.AdminKey : host.AppKey;
            var answer = await host.SendAsync(method, path, body, key);
            Assert.True(answer.Status is >= 200 and < 300, $"{text}\n{answer.Body}");
            count++;
        }
        gate.SetResult();
        Assert.InRange(count, 25, 45);
    }

    [Fact]
    public async Task Every_path_is_in_the_guide()
    {
        await using var host = await CenterHost.StartAsync();
        var document = JsonNode.Parse(await host.Http.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative)))!;
        foreach (var (path, _) in document["paths"]!.AsObject())
        {
            var pattern = Regex.Escape(path).Replace("\\{user}", "(\\{user}|alice)", StringComparison.Ordinal)
                .Replace("\\{id}", "(\\{id}|b1-1|t1|\\$ID)", StringComparison.Ordinal).Replace("\\{app}", "news", StringComparison.Ordinal);
            Assert.Matches($"{pattern}[ ,\n\"?]", Guide);
        }
    }

    [Fact]
    public void Every_problem_is_in_the_guide_with_its_status()
    {
        var rows = Row().Matches(Guide).SelectMany(row => Slug().Matches(row.Groups[2].Value).Select(slug => $"{row.Groups[1].Value} {slug.Groups[1].Value}")).ToHashSet();
        foreach (var file in (string[])["Center/Problems.cs", "Shared/Hosting/Problems/ProblemBoundary.cs"])
        {
            var source = File.ReadAllText(Path.Combine(Root(), file));
            foreach (Match problem in ProblemInSource().Matches(source))
                Assert.Contains($"{problem.Groups[1].Value} {problem.Groups[2].Value}", rows);
        }
        Assert.InRange(rows.Count, 30, 60);
    }

    [Fact]
    public void Limits_of_the_guide_are_those_of_the_code()
    {
        Assert.Contains($"at most {AppKeys.MaxApiKeys} API keys", Guide, StringComparison.Ordinal);
        Assert.Contains($"1 to {Bodies.MessageParser.MaxBatch:N0} messages", Guide, StringComparison.Ordinal);
        Assert.Contains($"`mailboxMessages`: most messages waiting for one user | {new AppLimits().MailboxMessages:N0} |", Guide, StringComparison.Ordinal);
        Assert.Contains($"up to {MulticastUsers.MaxUsers:N0} users", Guide, StringComparison.Ordinal);
        Assert.Contains($"at most {new CenterOptions().MaxMulticastBodyBytes / 1_048_576} MiB", Guide, StringComparison.Ordinal);
        Assert.Contains($"groups of {RangeSender.RangeUsers}", Guide, StringComparison.Ordinal);
        Assert.Contains($"At most {new CenterOptions().MaxUnfinishedBroadcasts:N0} broadcasts", Guide, StringComparison.Ordinal);
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PushSystem.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("PushSystem.sln was not found above the test's folder");
    }

    [GeneratedRegex("^curl .*$", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex("""\$API(/[^\s"]+)""")]
    private static partial Regex ApiPath();

    [GeneratedRegex("-X ([A-Z]+)")]
    private static partial Regex Method();

    [GeneratedRegex("-d '([^']*)'")]
    private static partial Regex Body();

    [GeneratedRegex("""^\| (\d{3}) \| (.*?) \|""", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([a-z0-9-]+)`")]
    private static partial Regex Slug();

    [GeneratedRegex("""[(>]\(?(?:new )?(?:Problem)?\(?(\d{3}), "([a-z0-9-]+)",""")]
    private static partial Regex ProblemInSource();
}
