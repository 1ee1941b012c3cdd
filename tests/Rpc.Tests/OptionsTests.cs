using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;

namespace PushSystem.Rpc.Tests;

/// <summary>Settings and registrations that are refused before anything starts.</summary>
public sealed class OptionsTests
{
    public static TheoryData<string, Action<RpcOptions>> WrongSettings => new()
    {
        { "NodeId", options => options.NodeId = "" },
        { "NodeId", options => options.NodeId = new string('x', 65) },
        { "ClusterKeys", options => options.ClusterKeys = [] },
        { "ClusterKeys", options => options.ClusterKeys = [new byte[31]] },
        { "ClusterKeys", options => options.ClusterKeys = [new byte[32], new byte[65]] },
        { "ClusterKeys", options => options.ClusterKeys = [new byte[32], new byte[32], new byte[32]] },
        { "MaxFrameBytes", options => options.MaxFrameBytes = 4_095 },
        { "MaxInFlight", options => options.MaxInFlight = 0 },
        { "MaxInFlight", options => options.MaxInFlight = 1_000_001 },
        { "MaxInFlightBytes", options => options.MaxInFlightBytes = options.MaxFrameBytes - 1 },
        { "MaxQueuedBytes", options => options.MaxQueuedBytes = options.MaxFrameBytes - 1 },
        { "MaxLinks", options => options.MaxLinks = 0 },
        { "MaxLinksPerNode", options => options.MaxLinksPerNode = 0 },
        { "MaxHandshakes", options => options.MaxHandshakes = 0 },
        { "PingAfter", options => options.PingAfter = TimeSpan.Zero },
        { "DeadAfter", options => options.DeadAfter = options.PingAfter * 1.5 },
        { "HandshakeTimeout", options => options.HandshakeTimeout = TimeSpan.FromHours(1) },
        { "ConnectTimeout", options => options.ConnectTimeout = TimeSpan.Zero },
        { "BackOff", options => options.BackOff = TimeSpan.Zero },
        { "MaxBackOff", options => options.MaxBackOff = TimeSpan.FromMilliseconds(50) },
        { "AbandonAfter", options => options.AbandonAfter = TimeSpan.Zero },
        { "StopTimeout", options => options.StopTimeout = TimeSpan.FromSeconds(-1) },
        { "Tick", options => options.Tick = TimeSpan.FromSeconds(2) },
    };

    [Theory]
    [MemberData(nameof(WrongSettings))]
    public void A_wrong_setting_is_named(string name, Action<RpcOptions> change)
    {
        var options = NodePair.Options("node");
        options.Validate();
        change(options);
        Assert.StartsWith($"Rpc:{name}: ", Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new NodeLinks(options, NullLogger<NodeLinks>.Instance));
        Assert.Throws<ArgumentException>(() => new RpcServer(options, new RpcMethods(), NullLogger<RpcServer>.Instance));
    }

    [Fact]
    public void A_method_number_is_given_once()
    {
        var methods = new RpcMethods();
        methods.Add(TestMethods.Echo, static (request, _) => ValueTask.FromResult(request));
        var failure = Assert.Throws<ArgumentException>(() => methods.Add(new RpcRawMethod(TestMethods.Echo.Id, "Test.Other"), static (_, _, _) => default));
        Assert.Contains("'Test.Echo'", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_added_after_the_start()
    {
        var methods = new RpcMethods();
        await using var server = new RpcServer(NodePair.Options("server"), methods, NullLogger<RpcServer>.Instance);
        await server.StartAsync();
        Assert.Throws<InvalidOperationException>(() => methods.Add(TestMethods.Echo, static (request, _) => ValueTask.FromResult<Echo>(request)));
    }

    [Theory]
    [InlineData("", "127.0.0.1", 1)]
    [InlineData("node", "", 1)]
    [InlineData("node", "127.0.0.1", 0)]
    [InlineData("node", "127.0.0.1", 65_536)]
    public async Task An_address_must_be_whole(string node, string host, int port)
    {
        await using var links = new NodeLinks(NodePair.Options("client"), NullLogger<NodeLinks>.Instance);
        Assert.Throws<ArgumentException>(() => links.To(new NodeAddress(node, host, port)));
    }
}
