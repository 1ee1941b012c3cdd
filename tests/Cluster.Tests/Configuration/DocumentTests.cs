using System.Diagnostics;
using System.Text;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;

namespace PushSystem.Cluster.Tests.Configuration;

/// <summary>Documents: what is read, what is refused and with which words, and that writing reads back.</summary>
public sealed class DocumentTests
{
    private const string Everything = """
        # A comment
        dispatcher:
          networks:
            - {cidr: 192.0.2.0/24, region: eu, isp: one}
            - cidr: 2001:db8::/32
              region: "null"
          fallbackDataCentres: [two, "three: 3"]
          trustedProxies: [10.0.0.0/8, fd00::/8]
          activeGroup: both
          maxAddresses: 6
          addressTimeToLive: 10m
          heartbeatMin: 30s
          heartbeatDefault: 4m
          heartbeatMax: 1h
          backoffBase: 250ms
          backoffCap: 2.5m
          fullShare: 0.9
          clientRate: 12.5
        room:
          gracePeriod: 45s
          windowBytes: 512KiB
          windowMessages: 128
          ackCount: 32
          allowedNetworks: []
        center:
          defaultLevel: stored
          bufferedBodyBytes: 1GiB
        saver:
          parkedRetention: 0s
        register:
          sweepInterval: 90s
        coordinator:
          denyPrivateNetworks: true
        log:
          level: debug
        """;

    [Fact]
    public void Every_kind_of_setting_is_read()
    {
        var read = ClusterConfiguration.Parse(Everything);
        Assert.Equal(2, read.Dispatcher.Networks!.Count);
        Assert.Equal("192.0.2.0/24", read.Dispatcher.Networks[0].Cidr.ToString());
        Assert.Equal(("null", ""), (read.Dispatcher.Networks[1].Region, read.Dispatcher.Networks[1].Isp));
        Assert.Equal(["two", "three: 3"], read.Dispatcher.FallbackDataCentres!);
        Assert.Equal(ActiveGroups.Both, read.Dispatcher.ActiveGroup);
        Assert.Equal(6, read.Dispatcher.MaxAddresses);
        Assert.Equal(TimeSpan.FromMilliseconds(250), read.Dispatcher.BackoffBase);
        Assert.Equal(TimeSpan.FromSeconds(150), read.Dispatcher.BackoffCap);
        Assert.Equal(12.5, read.Dispatcher.ClientRate);
        Assert.Equal(512 * 1024, read.Room.WindowBytes);
        Assert.Empty(read.Room.AllowedNetworks!);
        Assert.Null(read.Room.DeniedNetworks);
        Assert.Equal(Durability.Stored, read.Center.DefaultLevel);
        Assert.Equal(1L << 30, read.Center.BufferedBodyBytes);
        Assert.Equal(TimeSpan.Zero, read.Saver.ParkedRetention);
        Assert.True(read.Coordinator.DenyPrivateNetworks);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Debug, read.Log.Level);
    }

    [Fact]
    public void What_is_written_reads_back_to_the_same()
    {
        var read = ClusterConfiguration.Parse(Everything);
        var written = read.ToYaml();
        var again = ClusterConfiguration.Parse(written);
        Assert.Empty(ConfigurationDiff.Between(read, again));
        Assert.Equal(written, again.ToYaml());
        Assert.Contains("windowBytes: 512KiB", written, StringComparison.Ordinal);
        Assert.Contains("backoffCap: 150s", written, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_setting_survives_writing_at_both_ends_of_its_range()
    {
        foreach (var (section, property) in ConfigurationSchema.Sections)
        {
            foreach (var setting in ConfigurationSchema.Of(property.PropertyType).Where(setting => setting.Least is not null))
            {
                foreach (var bound in new[] { setting.Least!, setting.Most! })
                {
                    var configuration = new ClusterConfiguration();
                    setting.Property.SetValue(property.GetValue(configuration), bound);
                    var errors = new List<ConfigurationError>();
                    var root = Assert.IsType<YamlMap>(YamlTree.Read(configuration.ToYaml(), errors));
                    var value = Assert.IsType<YamlScalar>(Assert.Single(Assert.IsType<YamlMap>(Assert.Single(root.Members).Value).Members).Value);
                    Assert.Equal(bound, SettingText.Read(setting.ValueType, value.Text, setting.Limits.Bytes, out _));
                    Assert.Equal(section, root.Members[0].Key);
                }
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing")]
    [InlineData("{}")]
    [InlineData("~")]
    [InlineData("room:\ncenter: {}\n")]
    [InlineData("---\nroom: {}\n...\n")]
    public void An_empty_document_sets_nothing(string yaml) =>
        Assert.Equal("{}", ClusterConfiguration.Parse(yaml).ToYaml().Trim());

    [Theory]
    // Unknown names, with the one that was meant.
    [InlineData("rooms: {}", "rooms (line 1): is not known; sections are dispatcher, room, center, saver, register, coordinator, log")]
    [InlineData("room:\n  gracePeriods: 1s", "room.gracePeriods (line 2): is not known; did you mean gracePeriod?")]
    [InlineData("room:\n  xyzzy: 1", "room.xyzzy (line 2): is not known")]
    [InlineData("room:\n  GracePeriod: 1s", "room.GracePeriod (line 2): is not known; did you mean gracePeriod?")]
    // Wrong types.
    [InlineData("[]", "the document must be a map of sections")]
    [InlineData("just text", "the document must be a map of sections")]
    [InlineData("room: 5", "room (line 1): must be a map of settings")]
    [InlineData("room: []", "room (line 1): must be a map of settings")]
    [InlineData("room:\n  gracePeriod: [1s]", "room.gracePeriod (line 2): must be a duration with its unit (ms, s, m, h, d), such as 30s, not a list")]
    [InlineData("room:\n  gracePeriod: {a: 1}", "not a map")]
    [InlineData("room:\n  gracePeriod: 30", "room.gracePeriod (line 2): '30' is not a duration with its unit")]
    [InlineData("room:\n  gracePeriod: -1s", "'-1s' is not a duration")]
    [InlineData("room:\n  gracePeriod: 1,5s", "'1,5s' is not a duration")]
    [InlineData("room:\n  gracePeriod: s", "'s' is not a duration")]
    [InlineData("room:\n  gracePeriod: 1 s", "'1 s' is not a duration")]
    [InlineData("room:\n  frameBurst: 1.5", "room.frameBurst (line 2): '1.5' is not a whole number (1 to 1000000)")]
    [InlineData("room:\n  frameBurst: 1e3", "'1e3' is not a whole number")]
    [InlineData("room:\n  frameBurst: 0x10", "'0x10' is not a whole number")]
    [InlineData("room:\n  frameBurst: 99999999999999999999", "'99999999999999999999' is not a whole number")]
    [InlineData("room:\n  windowBytes: 5MB", "'5MB' is not a size in bytes, such as 65536 or 64KiB")]
    [InlineData("dispatcher:\n  fullShare: NaN", "'NaN' is not a number")]
    [InlineData("dispatcher:\n  activeGroup: C", "dispatcher.activeGroup (line 2): 'C' is not one of A, B, both")]
    [InlineData("dispatcher:\n  activeGroup: 0", "'0' is not one of A, B, both")]
    [InlineData("center:\n  defaultLevel: sometimes", "'sometimes' is not one of transient, stored, durable")]
    [InlineData("coordinator:\n  denyPrivateNetworks: yes", "'yes' is not true or false")]
    [InlineData("dispatcher:\n  trustedProxies: 10.0.0.0/8", "dispatcher.trustedProxies (line 2): must be a list")]
    [InlineData("dispatcher:\n  trustedProxies: [10.0.0.1/8]", "dispatcher.trustedProxies[0] (line 2): '10.0.0.1/8' is not a network, whose bits behind the prefix are 0: 10.0.0.0/8")]
    [InlineData("dispatcher:\n  trustedProxies: [10.0.0.0/33]", "'10.0.0.0/33' is not a network")]
    [InlineData("dispatcher:\n  trustedProxies: ['::ffff:10.0.0.0/104']", "is not a network")]
    [InlineData("dispatcher:\n  networks: [10.0.0.0/8]", "dispatcher.networks[0] (line 2): must be a map of cidr, region, isp")]
    [InlineData("dispatcher:\n  networks: [{region: eu}]", "dispatcher.networks[0].cidr (line 2): is missing")]
    [InlineData("dispatcher:\n  networks: [{cidr: 10.0.0.0/8, regio: eu}]", "dispatcher.networks[0].regio (line 2): is not known; did you mean region?")]
    // Out of range.
    [InlineData("dispatcher:\n  maxAddresses: 17", "dispatcher.maxAddresses (line 2): '17' is out of range: 1 to 16 is allowed")]
    [InlineData("dispatcher:\n  fullShare: 1.01", "'1.01' is out of range: 0.1 to 1 is allowed")]
    [InlineData("dispatcher:\n  heartbeatMin: 1500ms", "'1500ms' is out of range: only whole seconds are allowed")]
    [InlineData("room:\n  gracePeriod: 61m", "room.gracePeriod (line 2): '61m' is out of range: 1ms to 1h is allowed")]
    [InlineData("room:\n  gracePeriod: 99999999999999999d", "is out of range: 1ms to 1h is allowed")]
    [InlineData("room:\n  windowBytes: 9999999999GiB", "is not a size in bytes")]
    [InlineData("room:\n  maxDeliverBytes: 99999999999999GiB", "is out of range: 1 to 64GiB is allowed")]
    [InlineData("dispatcher:\n  fallbackDataCentres: ['']", "dispatcher.fallbackDataCentres[0] (line 2): '' is out of range: at least one character is needed")]
    [InlineData("dispatcher:\n  fallbackDataCentres: [\"a\\nb\"]", "'a?b' is out of range: at most 64 bytes of UTF-8 without control characters are allowed")]
    // No value, repeated, several documents.
    [InlineData("room:\n  gracePeriod:", "room.gracePeriod (line 2): has no value; leave the line out to keep the default")]
    [InlineData("room:\n  gracePeriod: null", "has no value")]
    [InlineData("room:\n  gracePeriod: 1s\n  gracePeriod: 2s", "room.gracePeriod (line 3): is given twice")]
    [InlineData("room: {}\ncenter: {}\nroom: {}", "room (line 3): is given twice")]
    [InlineData("room: {}\n---\nroom: {}", "line 2: there is a second document; one is allowed")]
    // Settings that must fit each other.
    [InlineData("dispatcher:\n  heartbeatMin: 30s", "dispatcher.heartbeatDefault: is missing: heartbeatMin, heartbeatDefault, heartbeatMax bound each other and are given together")]
    [InlineData("room:\n  heartbeatMin: 5m\n  heartbeatDefault: 4m\n  heartbeatMax: 6m", "room.heartbeatMin: 5m is above heartbeatDefault, at most 4m is allowed")]
    [InlineData("room:\n  ackCount: 65\n  windowMessages: 64", "room.ackCount: 65 is above windowMessages, at most 64 is allowed")]
    [InlineData("coordinator:\n  retryBase: 10m\n  retryCap: 5m", "coordinator.retryBase: 10m is above retryCap")]
    [InlineData("saver:\n  durableLagRows: 10\n  storedLagRows: 5", "saver.durableLagRows: 10 is above storedLagRows")]
    [InlineData("dispatcher:\n  networks: [{cidr: 10.0.0.0/8, region: a}, {cidr: 10.0.0.0/8, region: b}]", "dispatcher.networks[1]: 10.0.0.0/8 stands in networks[0] already")]
    [InlineData("dispatcher:\n  networks: [{cidr: 10.0.0.0/8}]", "dispatcher.networks[0]: has neither region nor isp")]
    [InlineData("dispatcher:\n  fallbackDataCentres: [a, a]", "dispatcher.fallbackDataCentres[1]: a stands in fallbackDataCentres[0] already")]
    public void A_wrong_document_is_refused_by_path_value_and_limit(string yaml, string expected)
    {
        var refusal = Assert.Throws<ConfigurationException>(() => ClusterConfiguration.Parse(yaml));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    // What turns a small document into a large one, or into something else than it looks.
    [InlineData("room: &a {gracePeriod: 1s}\ncenter: *a", "anchors are not allowed")]
    [InlineData("room: *a", "aliases are not allowed")]
    [InlineData("room: !!map {}", "tags are not allowed")]
    [InlineData("room:\n  gracePeriod: !System.Diagnostics.Process x", "tags are not allowed")]
    [InlineData("? {a: 1}\n: b", "a key must be a plain text")]
    [InlineData("? [room]\n: {}", "a key must be a plain text")]
    [InlineData("<<: {room: {}}", "<< (line 1): is not known")]
    [InlineData("room: {", "this is not YAML")]
    [InlineData("room:\n\tgracePeriod: 1s", "this is not YAML")]
    [InlineData("room: \"a", "this is not YAML")]
    [InlineData("%YAML 9.9\n---\nroom: {}", "this is not YAML")]
    [InlineData("room: {}\n]", "this is not YAML")]
    [InlineData("- - - - - - - - - - - - a", "is nested deeper than 8 levels")]
    public void Hostile_yaml_is_refused(string yaml, string expected)
    {
        var refusal = Assert.Throws<ConfigurationException>(() => ClusterConfiguration.Parse(yaml));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_ends_at_the_bound_and_not_at_the_end_of_the_stack()
    {
        Assert.Contains("nested deeper", Refusal("room: " + new string('[', 200_000)), StringComparison.Ordinal);
        Assert.Contains("nested deeper", Refusal(string.Concat(Enumerable.Repeat("{a: ", 200_000))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_document_that_is_too_long_is_refused_unread()
    {
        var refusal = Refusal("#" + new string('x', YamlTree.MaxLength));
        Assert.Contains("at most 8388608 are allowed", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void All_errors_are_told_at_once_and_their_number_is_bounded()
    {
        var few = Assert.Throws<ConfigurationException>(() => ClusterConfiguration.Parse("room:\n  gracePeriod: 9d\n  frameBurst: x\nlog:\n  level: loud"));
        Assert.Equal(["room.gracePeriod", "room.frameBurst", "log.level"], few.Errors.Select(error => error.Path));
        Assert.Equal([2, 3, 5], few.Errors.Select(error => error.Line));
        var many = new StringBuilder("dispatcher:\n  trustedProxies:\n");
        for (var i = 0; i < 1_000; i++)
            many.Append("    - nowhere\n");
        Assert.Equal(100, Assert.Throws<ConfigurationException>(() => ClusterConfiguration.Parse(many.ToString())).Errors.Count);
    }

    [Fact]
    public void Long_values_and_control_characters_do_not_spoil_the_log()
    {
        var refusal = Refusal($"room:\n  gracePeriod: \"\\e[31m{new string('y', 5_000)}\"");
        Assert.True(refusal.Length < 300, refusal);
        Assert.DoesNotContain('\e', refusal);
        Assert.DoesNotContain('\e', Refusal("\"\\e[31m\": {}"));
    }

    [Fact]
    public void A_hundred_thousand_networks_fit()
    {
        var text = new StringBuilder("dispatcher:\n  networks:\n");
        for (var i = 0; i < 100_000; i++)
            text.Append("    - {cidr: ").Append(1 + i / 65_536).Append('.').Append(i / 256 % 256).Append('.').Append(i % 256).Append(".0/24, region: r").Append(i % 40).Append("}\n");
        var read = ClusterConfiguration.Parse(text.ToString());
        Assert.Equal(100_000, read.Dispatcher.Networks!.Count);
        var stored = ConfigurationDocument.Pack(text.ToString());
        Assert.InRange(stored.Length, 1_000, ConfigurationDocument.MaxStoredBytes);
        Assert.Equal(text.ToString(), ConfigurationDocument.Unpack(stored));
        text.Append("    - {cidr: 9.9.9.0/24, region: one-too-many}\n");
        Assert.Contains("has 100001 items, at most 100000 are allowed", Refusal(text.ToString()), StringComparison.Ordinal);
    }

    [Fact]
    public void Stored_bytes_that_are_no_document_are_refused()
    {
        Assert.Contains("no document", Assert.Throws<ConfigurationException>(() => ConfigurationDocument.Unpack(new byte[] { 0x1f, 0x8b, 1, 2, 3 })).Message, StringComparison.Ordinal);
        Assert.Contains("no document", Assert.Throws<ConfigurationException>(() => ConfigurationDocument.Unpack(new byte[] { 0xff, 0xfe })).Message, StringComparison.Ordinal);
        // 8 MiB of one letter in a few kilobytes.
        var bomb = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(bomb, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(Enumerable.Repeat((byte)'a', YamlTree.MaxLength + 1).ToArray());
        Assert.Contains("has more than", Assert.Throws<ConfigurationException>(() => ConfigurationDocument.Unpack(bomb.ToArray())).Message, StringComparison.Ordinal);
        var noise = Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(1 << 20));
        Assert.Contains("at most 716800 are allowed", Assert.Throws<ConfigurationException>(() => ConfigurationDocument.Pack("# " + noise)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_diff_tells_what_changed_by_meaning()
    {
        var before = ClusterConfiguration.Parse("room: {gracePeriod: 60s, maxConcurrentLogins: 5}\ndispatcher: {fallbackDataCentres: [a, b]}");
        var after = ClusterConfiguration.Parse("dispatcher:\n  fallbackDataCentres: [b, c]\nroom:\n  gracePeriod: 1m\n  maxConcurrentLogins: 6\n  frameBurst: 7");
        Assert.Equal(
            [
                new SettingChange("dispatcher.fallbackDataCentres[]", "a", null, false),
                new SettingChange("dispatcher.fallbackDataCentres[]", null, "c", false),
                new SettingChange("room.maxConcurrentLogins", "5", "6", true),
                new SettingChange("room.frameBurst", null, "7", false),
            ],
            ConfigurationDiff.Between(before, after));
        Assert.Equal(
            new SettingChange("dispatcher.fallbackDataCentres", "[a, b]", "[b, a]", false),
            Assert.Single(ConfigurationDiff.Between(before, ClusterConfiguration.Parse("room: {gracePeriod: 60s, maxConcurrentLogins: 5}\ndispatcher: {fallbackDataCentres: [b, a]}"))));
    }

    private static string Refusal(string yaml) => Assert.Throws<ConfigurationException>(() => ClusterConfiguration.Parse(yaml)).Message;
}
