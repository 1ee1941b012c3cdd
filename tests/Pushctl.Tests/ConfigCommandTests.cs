using PushSystem.Cluster.Configuration;

namespace PushSystem.Pushctl.Tests;

public sealed class ConfigCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task A_document_is_applied_shown_and_remembered()
    {
        var (output, error) = await _shell.Run(0, "config", "get");
        Assert.Equal(("", "there is no document: defaults are in force"), (output, error.Trim()));
        (output, _) = await _shell.Run(0, "config", "apply", _shell.File("a.yaml", "# why\nroom:\n  gracePeriod: 40s\n"), "--note", "first try");
        Assert.Contains("room.gracePeriod", output, StringComparison.Ordinal);
        Assert.Contains("applied as number 1: 1 change", output, StringComparison.Ordinal);
        (output, error) = await _shell.Run(0, "config", "get");
        Assert.Equal("# why\nroom:\n  gracePeriod: 40s", output.Trim());
        Assert.Equal($"# revision {_shell.Etcd.Revision}", error.Trim());
        (output, _) = await _shell.Run(0, "config", "history");
        Assert.Contains("first try", output, StringComparison.Ordinal);
        Assert.Contains("ann@desk", output, StringComparison.Ordinal);
        Assert.Contains("2026-01-01 12:00:00Z", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Standard_input_is_a_file_too()
    {
        _shell.Input = "room: {frameBurst: 7}";
        await _shell.Run(0, "config", "apply", "-");
        Assert.Equal(7, ClusterConfiguration.Parse((await _shell.Run(0, "config", "get")).Output).Room.FrameBurst);
    }

    [Fact]
    public async Task Validation_needs_no_etcd_and_names_everything_that_is_wrong()
    {
        _shell.Etcd.IsAway = true;
        Assert.Contains("valid: 1 setting", (await _shell.Run(0, "config", "validate", _shell.File("a", "room: {frameBurst: 7}"))).Output, StringComparison.Ordinal);
        var (output, error) = await _shell.Run(1, "config", "validate", _shell.File("b", "room:\n  frameBurst: 0\n  gracePeriods: 1s"));
        Assert.Equal("", output);
        Assert.Equal(
            "room.frameBurst (line 2): '0' is out of range: 1 to 1000000 is allowed\nroom.gracePeriods (line 3): is not known; did you mean gracePeriod?\n",
            error.ReplaceLineEndings("\n"));
        Assert.Contains("no-such-file", (await _shell.Run(1, "config", "validate", "/no-such-file")).Error, StringComparison.Ordinal);
        Assert.Null(_shell.Opened);
    }

    [Fact]
    public async Task A_bad_document_is_not_applied()
    {
        await _shell.Run(1, "config", "apply", _shell.File("a", "room: {frameBurst: x}"));
        Assert.Equal(1, _shell.Etcd.Revision);
    }

    [Fact]
    public async Task A_concurrent_change_is_not_overwritten()
    {
        var mine = _shell.File("mine", "room: {frameBurst: 7}");
        _shell.Etcd.BeforeCommit = () => _shell.Put(_shell.Keys.Configuration, "room: {frameBurst: 8}");
        var (_, error) = await _shell.Run(1, "config", "apply", mine);
        Assert.Contains("somebody changed the configuration", error, StringComparison.Ordinal);
        Assert.Contains("8", (await _shell.Run(0, "config", "get")).Output, StringComparison.Ordinal);
        Assert.Empty((await _shell.Json("config", "history")).AsArray());
    }

    [Fact]
    public async Task A_diff_shows_and_a_dry_run_changes_nothing()
    {
        await _shell.Run(0, "config", "apply", _shell.File("a", "room: {frameBurst: 7, maxConcurrentLogins: 5}"));
        var revision = _shell.Etcd.Revision;
        var other = _shell.File("b", "room: {frameBurst: 9, maxConcurrentLogins: 6}");
        var lines = (await _shell.Run(0, "config", "diff", other)).Output.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).ToArray();
        Assert.Contains("room.frameBurst 7 9 at once", lines.Select(line => line.Trim()));
        Assert.Contains("room.maxConcurrentLogins 5 6 after restart", lines.Select(line => line.Trim()));
        Assert.Contains("nothing was applied", (await _shell.Run(0, "config", "apply", other, "--dry-run")).Output, StringComparison.Ordinal);
        Assert.Contains("no setting differs", (await _shell.Run(0, "config", "diff", _shell.File("c", "room:\n  frameBurst: 7\n  maxConcurrentLogins: 5"))).Output, StringComparison.Ordinal);
        Assert.Equal(revision, _shell.Etcd.Revision);
        var json = await _shell.Json("config", "diff", other);
        Assert.Equal(("room.frameBurst", "7", "9", false), ((string?)json[1]!["path"], (string?)json[1]!["before"], (string?)json[1]!["after"], (bool)json[1]!["needsRestart"]!));
    }

    [Fact]
    public async Task The_same_document_is_not_applied_twice()
    {
        var file = _shell.File("a", "room: {frameBurst: 7}");
        await _shell.Run(0, "config", "apply", file);
        var revision = _shell.Etcd.Revision;
        Assert.Contains("in force already", (await _shell.Run(0, "config", "apply", file)).Output, StringComparison.Ordinal);
        Assert.Equal(revision, _shell.Etcd.Revision);
    }

    [Fact]
    public async Task A_rollback_is_a_new_change()
    {
        await _shell.Run(0, "config", "apply", _shell.File("a", "# one\nroom: {frameBurst: 1}"));
        await _shell.Run(0, "config", "apply", _shell.File("b", "room: {frameBurst: 2}"));
        Assert.Contains("applied as number 3", (await _shell.Run(0, "config", "rollback", "1")).Output, StringComparison.Ordinal);
        Assert.Contains("# one", (await _shell.Run(0, "config", "get")).Output, StringComparison.Ordinal);
        var history = (await _shell.Json("config", "history")).AsArray();
        Assert.Equal(["", "", "rollback to 1"], history.Select(change => (string?)change!["note"]));
        Assert.Contains("the history has no number 9", (await _shell.Run(1, "config", "rollback", "9")).Error, StringComparison.Ordinal);
        await _shell.Run(1, "config", "rollback", "first");
    }

    [Theory]
    [InlineData("room: {")]
    [InlineData("room: {frameBurst: 0}")]
    public async Task A_bad_document_in_etcd_can_be_seen_and_replaced(string bad)
    {
        _shell.Put(_shell.Keys.Configuration, bad);
        Assert.Contains(bad, (await _shell.Run(0, "config", "get")).Output, StringComparison.Ordinal);
        var (output, error) = await _shell.Run(0, "config", "apply", _shell.File("a", "room: {frameBurst: 7}"));
        Assert.Contains("is not valid and compared as if it were empty", error, StringComparison.Ordinal);
        Assert.Contains("applied as number 1", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_are_no_text_can_be_replaced_too()
    {
        _shell.Etcd.Put(_shell.Keys.Configuration, [0x1f, 0x8b, 0, 1]);
        Assert.Contains("not readable", (await _shell.Run(1, "config", "get")).Error, StringComparison.Ordinal);
        await _shell.Run(0, "config", "apply", _shell.File("a", "room: {frameBurst: 7}"));
    }

    [Fact]
    public async Task Etcd_away_is_exit_code_2_and_etcds_refusal_1()
    {
        var file = _shell.File("a", "room: {frameBurst: 7}");
        _shell.Etcd.RefuseWrites = true;
        Assert.Contains("no space", (await _shell.Run(1, "config", "apply", file)).Error, StringComparison.Ordinal);
        _shell.Etcd.IsAway = true;
        foreach (var command in new[] { ["config", "get"], new[] { "config", "apply", file }, ["config", "history"], ["config", "rollback", "1"], ["nodes"], ["cluster", "show"], ["cluster", "init"] })
            Assert.StartsWith("etcd: ", (await _shell.Run(2, command)).Error, StringComparison.Ordinal);
    }
}
