using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>A directory of scripted rooms.</summary>
internal sealed class FakeRooms : IRoomDirectory
{
    private readonly ConcurrentDictionary<(string Id, long Incarnation), FakeRoom> _rooms = new();

    public IReadOnlyList<RoomInfo> Rooms => [.. _rooms.Values.Select(room => room.Info).OrderBy(info => info.Id, StringComparer.Ordinal)];

    /// <summary>What the directory knows; by default everything.</summary>
    public long Revision { get; set; } = long.MaxValue;

    public FakeRoom Add(string id, long incarnation = 1, int connections = 0)
    {
        var room = new FakeRoom(new RoomInfo
        {
            Id = id, Incarnation = incarnation, Addresses = [new RoomAddress("127.0.0.1", 7402)], Connections = connections, Capacity = 1_000,
        });
        _rooms[(id, incarnation)] = room;
        return room;
    }

    public void Remove(string id, long incarnation = 1) => _rooms.TryRemove((id, incarnation), out _);

    public IRoomNode? Find(string room, long incarnation) => _rooms.GetValueOrDefault((room, incarnation));
}

/// <summary>A room that records what it is told and answers as the test says.</summary>
internal sealed class FakeRoom(RoomInfo info) : IRoomNode
{
    private readonly Lock _lock = new();
    private readonly List<DeliverItem> _delivered = [];
    private readonly List<FanoutCommand> _commands = [];
    private readonly TaskCompletionSource _firstDelivery = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RoomInfo Info { get; } = info;

    /// <summary>What happens to a message; default Taken.</summary>
    public Func<DeliverItem, DeliverOutcome> OnDeliver { get; set; } = _ => DeliverOutcome.Taken;

    /// <summary>Awaited before a delivery is answered.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    /// <summary>Thrown by every call.</summary>
    public Exception? Fault { get; set; }

    /// <summary>How a fan-out is answered; default: known and finished with nobody.</summary>
    public Func<FanoutCommand, FanoutProgress> OnFanout { get; set; } = _ => new FanoutProgress(true, true, 0, 0);

    /// <summary>Completes with the first delivery.</summary>
    public Task FirstDelivery => _firstDelivery.Task;

    public int DeliverCalls { get; private set; }

    public IReadOnlyList<DeliverItem> Delivered
    {
        get
        {
            lock (_lock)
                return [.. _delivered];
        }
    }

    public IReadOnlyList<FanoutCommand> Commands
    {
        get
        {
            lock (_lock)
                return [.. _commands];
        }
    }

    public IReadOnlyList<FanoutAction> Actions => [.. Commands.Select(command => command.Action)];

    public async ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            DeliverCalls++;
            _delivered.AddRange(items);
        }
        _firstDelivery.TrySetResult();
        await Gate.WaitAsync(cancellationToken);
        if (Fault is not null)
            throw Fault;
        return [.. items.Select(OnDeliver)];
    }

    public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken)
    {
        lock (_lock)
            _commands.Add(command);
        return Fault is null ? ValueTask.FromResult(OnFanout(command)) : throw Fault;
    }

    public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken) =>
        throw new InvalidOperationException("the center kicks through the coordinator");
}
