using Google.Protobuf;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using Newer = PushSystem.Rpc.Tests.Proto.Newer;
using Older = PushSystem.Rpc.Tests.Proto.Older;

namespace PushSystem.Rpc.Tests;

/// <summary>Versions N and N-1 of a contract on the two sides of a link.</summary>
public sealed class VersionTests
{
    private const ushort Number = 20;

    private static readonly RpcMethod<Newer.Order, Newer.Order> NewMethod = new(Number, "Test.Order", Newer.Order.Parser, Newer.Order.Parser);
    private static readonly RpcMethod<Older.Order, Older.Order> OldMethod = new(Number, "Test.Order", Older.Order.Parser, Older.Order.Parser);

    private static readonly Newer.Order Order = new()
    {
        User = "alice",
        Amount = 5,
        Reason = "new in N",
        Tags = { 1, 2, 3 },
        Part = new Newer.Part { Name = "wheel", Color = ByteString.CopyFromUtf8("red") },
    };

    [Fact]
    public async Task What_an_older_node_does_not_know_survives_its_hands()
    {
        await using var pair = await NodePair.StartAsync(methods => methods.Add(OldMethod, static (request, _) =>
        {
            Assert.Equal(("alice", 5, "wheel"), (request.User, request.Amount, request.Part.Name));
            request.Amount++;
            return ValueTask.FromResult(request);
        }));
        var reply = await pair.Caller.CallAsync(NewMethod, Order, NodePair.Long, CancellationToken.None);
        var expected = Order.Clone();
        expected.Amount = 6;
        Assert.Equal(expected, reply);
    }

    [Fact]
    public async Task What_an_older_node_does_not_say_has_its_default()
    {
        await using var pair = await NodePair.StartAsync(methods => methods.Add(NewMethod, static (request, _) =>
        {
            Assert.Equal(("", 0), (request.Reason, request.Tags.Count));
            request.Reason = "answered by N";
            return ValueTask.FromResult(request);
        }));
        var reply = await pair.Caller.CallAsync(
            OldMethod, new Older.Order { User = "alice", Part = new Older.Part { Name = "wheel" } }, NodePair.Long, CancellationToken.None);
        Assert.Equal(("alice", "wheel"), (reply.User, reply.Part.Name));
        Assert.Equal("answered by N", Newer.Order.Parser.ParseFrom(reply.ToByteArray()).Reason);
    }

    [Fact]
    public async Task A_method_that_is_new_in_N_is_unknown_to_an_older_node_and_nothing_is_done()
    {
        await using var pair = await NodePair.StartAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(async () => await pair.Caller.CallAsync(NewMethod, Order, NodePair.Long, CancellationToken.None));
        Assert.Equal(RpcStatus.UnknownMethod, failure.Status);
        Assert.True(failure.IsUndone);
        Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
    }
}
