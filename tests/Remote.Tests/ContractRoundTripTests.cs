using System.Reflection;
using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Remote.Coordinators;
using PushSystem.Remote.Registers;
using PushSystem.Remote.Rooms;
using PushSystem.Remote.Savers;

namespace PushSystem.Remote.Tests;

/// <summary>Every method of every contract that crosses links arrives with every member of its arguments and of its result.</summary>
public sealed class ContractRoundTripTests
{
    private static readonly (Type Contract, string Name)[] Contracts =
    [
        (typeof(IMailboxes), "mailboxes"), (typeof(IBroadcastLog), "broadcasts"), (typeof(IMulticasts), "multicasts"), (typeof(IEventQueue), "events"),
        (typeof(IFactStore), "facts"), (typeof(IIdempotencyStore), "replies"), (typeof(IWorkClaims), "claims"), (typeof(ISessionRegistry), "sessions"),
        (typeof(IRoomNode), "room"), (typeof(ICoordinator), "coordinator"),
    ];

    public static TheoryData<string, string> AllMethods
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (contract, name) in Contracts)
            {
                foreach (var method in contract.GetMethods().Where(method => !method.IsSpecialName))
                    data.Add(name, method.Name);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(AllMethods))]
    public async Task Arguments_and_result_arrive_whole(string name, string methodName)
    {
        var contract = Contracts.Single(one => one.Name == name).Contract;
        var world = new World();
        var (remote, recorder) = world.Of(contract);
        var method = contract.GetMethod(methodName)!;
        var specimens = new Specimens();
        object?[] arguments = [.. method.GetParameters().Select(parameter => MakeArgument(specimens, parameter.ParameterType))];
        Adapt(name, methodName, arguments);

        var result = await AwaitAsync(method.Invoke(remote, arguments)!);

        Assert.Equal(methodName, recorder.Method);
        Assert.Equal(Expected(name, methodName, arguments), recorder.Arguments);
        if (method.ReturnType != typeof(ValueTask))
            Assert.Equal(recorder.Result, Specimens.Write(result));
    }

    [Theory]
    [InlineData(typeof(StoreUnavailableException))]
    [InlineData(typeof(FencedException))]
    [InlineData(typeof(ArgumentException))]
    public async Task What_a_contract_throws_is_thrown_at_the_caller(Type fault)
    {
        var world = new World();
        var (remote, recorder) = world.Of(typeof(IWorkClaims));
        recorder.Fault = fault == typeof(StoreUnavailableException)
            ? new StoreUnavailableException("said by the store")
            : (Exception)Activator.CreateInstance(fault, ["said by the store"])!;

        var thrown = await Assert.ThrowsAsync(fault, async () => await ((IWorkClaims)remote).ClaimAsync("w", 1, [1], TestContext.Current.CancellationToken));

        Assert.Contains("said by the store", thrown.Message);
    }

    [Fact]
    public async Task An_absent_value_stays_absent()
    {
        var node = new LoopbackNode();
        var none = new Absent();
        node.AddSaver(none, none, none, none, none, none, none);
        node.AddRegister(none);
        var nodes = World.Nodes();
        var savers = new RemoteSavers(node, nodes, 8, new RemoteOptions(), TimeProvider.System);
        var registry = new RemoteSessionRegistry(node, nodes, 8, new RemoteOptions(), TimeProvider.System);
        var cancel = TestContext.Current.CancellationToken;

        Assert.Null(await savers.Mailboxes.SummaryAsync(new UserKey("a", "u"), cancel));
        Assert.Null(await savers.Broadcasts.FindAsync("a", 1, 1, cancel));
        Assert.Null(await savers.Broadcasts.PayloadAsync("a", 1, 1, cancel));
        Assert.Null(await savers.Multicasts.FindAsync("a", 1, cancel));
        Assert.Null(await savers.Facts.GetAsync("s", "k", cancel));
        Assert.Null(await savers.Idempotency.FindAsync("a", "k", cancel));
        Assert.Null(Assert.Single(await registry.LookupAsync([new UserKey("a", "u")], cancel)));
        Assert.Equal(new BindReply(0, null), Assert.Single(await registry.BindAsync([Session("u")], cancel)));
        await savers.Facts.SetAsync("s", [KeyValuePair.Create("k", (ReadOnlyMemory<byte>?)null)], cancel);
        Assert.Null(none.Fact);
        await savers.Broadcasts.MoveAsync("a", 1, 1, [TaskState.Queued], TaskState.Done, default, cancel);
        Assert.False(none.Fence.IsSet);
    }

    internal static SessionEntry Session(string user) => new() { Key = new UserKey("a", user), Room = "r", Incarnation = 1, Connection = 1 };

    private static object? MakeArgument(Specimens specimens, Type type)
    {
        if (type == typeof(CancellationToken))
            return CancellationToken.None;
        if (type == typeof(IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>>))
            return new[] { KeyValuePair.Create("key", (ReadOnlyMemory<byte>?)"value"u8.ToArray()) };
        return specimens.Make(type);
    }

    /// <summary>Batches whose answers are counted get the size of the recorder's answer, and presence of one app stays one call.</summary>
    private static void Adapt(string name, string method, object?[] arguments)
    {
        if (name == "coordinator" && method == nameof(ICoordinator.NotifyAsync))
        {
            var changes = (PresenceChange[])arguments[0]!;
            for (var i = 0; i < changes.Length; i++)
                changes[i] = changes[i] with { Key = new UserKey("one-app", changes[i].Key.User) };
        }
        if (name == "mailboxes" && method == nameof(IMailboxes.AppendAsync))
            arguments[0] = (AppendRequest)arguments[0]! with { Level = Durability.Durable };
    }

    private static string Expected(string name, string method, object?[] arguments)
    {
        // A commit and a release are addressed by the subtask's key; the record and the users' names stay at home.
        if (name == "multicasts" && method == nameof(IMulticasts.CommitAsync))
            arguments[0] = Bare((Subtask)arguments[0]!, ((Subtask)arguments[0]!).Users.Count);
        if (name == "multicasts" && method == nameof(IMulticasts.ReleaseAsync))
            arguments[0] = ((IReadOnlyList<Subtask>)arguments[0]!).Select(subtask => Bare(subtask, 0)).ToArray();
        return RecordingContract.Describe(arguments);
    }

    private static Subtask Bare(Subtask subtask, int users) => new(
        new MulticastRecord
        {
            App = subtask.Task.App, Id = subtask.Task.Id, State = default, Level = default, Kind = default, PayloadBytes = 0, RatePerSecond = 0,
            AcceptedAt = 0, ExpiresAt = 0,
        }, subtask.Part, 0, new string[users]);

    private static async Task<object?> AwaitAsync(object valueTask)
    {
        if (valueTask is ValueTask plain)
        {
            await plain;
            return null;
        }
        var task = (Task)valueTask.GetType().GetMethod(nameof(ValueTask<int>.AsTask))!.Invoke(valueTask, null)!;
        await task;
        return task.GetType().GetProperty(nameof(Task<int>.Result), BindingFlags.Public | BindingFlags.Instance)!.GetValue(task);
    }

    private sealed class World
    {
        private readonly LoopbackNode _node = new();
        private readonly Dictionary<Type, (object Remote, RecordingContract Recorder)> _contracts = [];

        public World()
        {
            var (mailboxes, one) = RecordingContract.Make<IMailboxes>();
            var (broadcasts, two) = RecordingContract.Make<IBroadcastLog>();
            var (multicasts, three) = RecordingContract.Make<IMulticasts>();
            var (events, four) = RecordingContract.Make<IEventQueue>();
            var (facts, five) = RecordingContract.Make<IFactStore>();
            var (replies, six) = RecordingContract.Make<IIdempotencyStore>();
            var (claims, seven) = RecordingContract.Make<IWorkClaims>();
            var (sessions, eight) = RecordingContract.Make<ISessionRegistry>();
            var (room, nine) = RecordingContract.Make<IRoomNode>();
            var (coordinator, ten) = RecordingContract.Make<ICoordinator>();
            _node.AddSaver(mailboxes, broadcasts, multicasts, events, facts, replies, claims);
            _node.AddRegister(sessions);
            _node.AddRoom(incarnation => incarnation == 1 ? room : throw new InvalidOperationException($"incarnation {incarnation}"));
            _node.AddCoordinator(coordinator, _ => { });
            var nodes = Nodes();
            var savers = new RemoteSavers(_node, nodes, 8, new RemoteOptions(), TimeProvider.System);
            var rooms = new ClusterRooms(_node, nodes, new RemoteOptions());
            _contracts[typeof(IMailboxes)] = (savers.Mailboxes, one);
            _contracts[typeof(IBroadcastLog)] = (savers.Broadcasts, two);
            _contracts[typeof(IMulticasts)] = (savers.Multicasts, three);
            _contracts[typeof(IEventQueue)] = (savers.Events, four);
            _contracts[typeof(IFactStore)] = (savers.Facts, five);
            _contracts[typeof(IIdempotencyStore)] = (savers.Idempotency, six);
            _contracts[typeof(IWorkClaims)] = (savers.Claims, seven);
            _contracts[typeof(ISessionRegistry)] = (new RemoteSessionRegistry(_node, nodes, 8, new RemoteOptions(), TimeProvider.System), eight);
            _contracts[typeof(IRoomNode)] = (rooms.Find("one", 1)!, nine);
            _contracts[typeof(ICoordinator)] = (new RemoteCoordinator(_node, nodes, new RemoteOptions(), TimeProvider.System), ten);
        }

        public static FakeNodes Nodes()
        {
            var nodes = new FakeNodes();
            foreach (var role in Roles.All)
                nodes.Set(role, FakeNodes.Node(role, "one"));
            return nodes;
        }

        public (object Remote, RecordingContract Recorder) Of(Type contract) => _contracts[contract];
    }
}
