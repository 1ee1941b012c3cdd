using System.Security.Cryptography;
using System.Text.Json;
using PushSystem.Cluster;
using PushSystem.Cluster.Apps;
using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;

namespace PushSystem.Pushctl.Tests;

public sealed class OtherCommandTests : IDisposable
{
    private const string OldKey = "an-old-cluster-key-for-tests-0001", NewKey = "a-new-cluster-key-for-tests-00002";

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Nodes_are_listed_by_role_with_their_load()
    {
        Register(Roles.Saver, "s1", null);
        Register(Roles.Room, "r2", """{"addresses":["192.0.2.1:7402"],"connections":500,"capacity":1000}""", draining: true);
        Register(Roles.Room, "r1", """{"connections":7}""");
        _shell.Put(_shell.Keys.Node(Roles.Room, "broken"), "{");
        var (output, error) = await _shell.Run(0, "nodes");
        var lines = Lines(output);
        Assert.Contains("room r1 3 10.0.0.1:7000 A 1.2.3 7", lines.Select(line => line.Replace("4 10", "3 10", StringComparison.Ordinal)));
        Assert.Contains(lines, line => line.StartsWith("room r2 ", StringComparison.Ordinal) && line.Contains("yes 500 of 1000 (50", StringComparison.Ordinal));
        Assert.True(output.IndexOf("r1", StringComparison.Ordinal) < output.IndexOf("r2", StringComparison.Ordinal));
        Assert.True(output.IndexOf("r2", StringComparison.Ordinal) < output.IndexOf("s1", StringComparison.Ordinal));
        Assert.Contains("broken is left out", error, StringComparison.Ordinal);
        Assert.Equal("s1", (string?)Assert.Single((await _shell.Json("nodes", "--role", "saver")).AsArray())!["id"]);
        Assert.Contains("'king' must be one of", (await _shell.Run(1, "nodes", "--role", "king")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_node_says_of_itself_cannot_play_with_the_terminal()
    {
        Register(Roles.Room, "evil\u001b[31m", null);
        Assert.DoesNotContain('\u001b', (await _shell.Run(0, "nodes")).Output);
    }

    [Fact]
    public async Task The_layout_is_laid_down_once_and_refuses_to_change()
    {
        Assert.Contains("there is no cluster", (await _shell.Run(1, "cluster", "show")).Error, StringComparison.Ordinal);
        await _shell.Run(1, "cluster", "init", "--partitions", "0");
        await _shell.Run(0, "cluster", "init", "--partitions", "16", "--registry-parts", "32");
        await _shell.Run(0, "cluster", "init", "--partitions", "16", "--registry-parts", "32");
        var (_, error) = await _shell.Run(1, "cluster", "init", "--partitions", "17", "--registry-parts", "32");
        Assert.Contains("has 16 partitions and 32 registry parts already", error, StringComparison.Ordinal);
        await _shell.Run(1, "cluster", "init");
        var json = await _shell.Json("cluster", "show");
        Assert.Equal((16, 32), ((int)json["partitions"]!, (int)json["registryParts"]!));
        Register(Roles.Room, "r1", null);
        var lines = Lines((await _shell.Run(0, "cluster", "show")).Output);
        Assert.Contains("room nodes 1", lines);
        Assert.Contains("center nodes 0", lines);
        Assert.Contains("configuration revision 0", lines);
    }

    [Fact]
    public async Task Apps_are_shown_without_their_secrets()
    {
        Save("shop", NewKey);
        var secret = Convert.ToBase64String(Save("bank", NewKey));
        _shell.Put(_shell.Keys.Apps + "broken", "nothing that was ever sealed by anybody");
        var key = _shell.File("key", NewKey);
        var (output, error) = await _shell.Run(0, "apps", "list", "--cluster-key-file", key);
        Assert.Contains(Lines(output), line => line.StartsWith("bank the bank yes ", StringComparison.Ordinal) && line.EndsWith(" 2026-01-01 1 1 https://example.com/hook", StringComparison.Ordinal));
        Assert.Contains("broken is left out", error, StringComparison.Ordinal);
        (output, _) = await _shell.Run(0, "apps", "show", "bank", "--cluster-key-file", key);
        Assert.Contains("\"mailboxMessages\": 1000", output, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, output, StringComparison.Ordinal);
        Assert.DoesNotContain("hash", output, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(secret, (await _shell.Run(0, "apps", "list", "--json", "--cluster-key-file", key)).Output, StringComparison.Ordinal);
        Assert.Contains("there is no app 'none'", (await _shell.Run(1, "apps", "show", "none", "--cluster-key-file", key)).Error, StringComparison.Ordinal);
        Assert.Contains("cannot be read", (await _shell.Run(1, "apps", "show", "broken", "--cluster-key-file", key)).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Apps_need_the_cluster_key()
    {
        Assert.Contains("--cluster-key-file", (await _shell.Run(1, "apps", "list")).Error, StringComparison.Ordinal);
        Assert.Contains("32 to 1024", (await _shell.Run(1, "apps", "list", "--cluster-key-file", _shell.File("short", "short"))).Error, StringComparison.Ordinal);
        Save("shop", OldKey);
        _shell.Environment["PUSH_CLUSTER_KEY_FILE"] = _shell.File("key", NewKey);
        var (_, error) = await _shell.Run(0, "apps", "list");
        Assert.Contains("shop is left out: it is sealed with a cluster key that this process does not have", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_key_can_be_given_up_after_sealing_anew()
    {
        Save("shop", OldKey);
        Save("bank", NewKey);
        await _shell.Run(1, "apps", "seal", "--cluster-key-file", _shell.File("new", NewKey));
        Assert.Contains("1 app was encrypted anew", (await _shell.Run(0, "apps", "seal", "--cluster-key-file", _shell.File("both", NewKey + "\n" + OldKey))).Output, StringComparison.Ordinal);
        Assert.Equal("", (await _shell.Run(0, "apps", "list", "--cluster-key-file", _shell.File("new", NewKey))).Error);
    }

    [Fact]
    public async Task Etcd_and_the_cluster_come_from_the_command_line_then_the_environment_then_defaults()
    {
        await _shell.Run(0, "nodes");
        Assert.Equal(["http://127.0.0.1:2379"], _shell.Opened!.Endpoints);
        _shell.Environment["PUSH_ETCD"] = "http://a:1, http://b:2";
        _shell.Environment["PUSH_CLUSTER"] = "other";
        _shell.Environment["PUSH_ETCD_USER"] = "bob";
        _shell.Environment["PUSH_ETCD_PASSWORD_FILE"] = _shell.File("password", "secret\n");
        _shell.Put(new ClusterKeys("other").Layout, """{"partitions":3,"registryParts":4}""");
        Assert.Equal(3, (int)(await _shell.Json("cluster", "show"))["partitions"]!);
        Assert.Equal(["http://a:1", "http://b:2"], _shell.Opened.Endpoints);
        Assert.Equal(("bob", "secret"), (_shell.Opened.User, _shell.Opened.Password));
        await _shell.Run(1, "cluster", "show", "--cluster", "push");
        await _shell.Run(0, "--etcd", "http://c:3", "cluster", "show");
        Assert.Equal(["http://c:3"], _shell.Opened.Endpoints);
        Assert.Contains("--cluster:", (await _shell.Run(1, "nodes", "--cluster", "../apps")).Error, StringComparison.Ordinal);
        Assert.Contains("Etcd:Endpoints", (await _shell.Run(1, "nodes", "--etcd", "nowhere")).Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config")]
    [InlineData("nonsense")]
    [InlineData("config", "apply")]
    [InlineData("config", "rollback", "x")]
    [InlineData("cluster", "init", "--partitions", "many")]
    public async Task A_command_line_that_cannot_be_meant_is_refused(params string[] args) => await _shell.Run(1, args);

    [Fact]
    public async Task Help_lists_the_commands()
    {
        var (output, _) = await _shell.Run(0, "--help");
        foreach (var word in new[] { "config", "nodes", "apps", "cluster", "--cluster-key-file", "PUSH_ETCD" })
            Assert.Contains(word, output, StringComparison.Ordinal);
    }

    private void Register(string role, string id, string? details, bool draining = false) => _shell.Etcd.Put(
        _shell.Keys.Node(role, id),
        NodeInfoJson.Write(new NodeInfo
        {
            Id = id, Role = role, Host = "10.0.0.1", Port = 7000, Version = "1.2.3", Draining = draining,
            Details = details is null ? null : JsonDocument.Parse(details).RootElement,
        }));

    private byte[] Save(string id, string clusterKey)
    {
        using var cipher = new AppCipher([System.Text.Encoding.ASCII.GetBytes(clusterKey)]);
        var secret = RandomNumberGenerator.GetBytes(32);
        _shell.Etcd.Put(_shell.Keys.Apps + id, cipher.Seal(id, AppRecordJson.Write(new AppRecord
        {
            Id = id, Name = "the " + id, CreatedAt = _shell.Clock.GetUtcNow().ToUnixTimeMilliseconds(), ApiKeys = [new ApiKey("k1", SHA256.HashData(secret), 1)],
            TicketKeys = [new AppTicketKey(1, secret, 1)], Webhook = new WebhookSettings("https://example.com/hook", new Dictionary<string, string>(), [secret], true),
        })));
        return secret;
    }

    private static string[] Lines(string output) =>
        [.. output.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Trim())];
}
