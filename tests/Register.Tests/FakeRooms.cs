using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Register.Tests;

/// <summary>A directory whose rooms come and go as a test says; the rooms themselves are never called.</summary>
public sealed class FakeRooms : IRoomDirectory
{
    private readonly ConcurrentDictionary<string, long> _rooms = new();

    public IReadOnlyList<RoomInfo> Rooms =>
        [.. _rooms.Select(room => new RoomInfo { Id = room.Key, Incarnation = room.Value, Addresses = [] })];

    public IRoomNode? Find(string room, long incarnation) =>
        _rooms.TryGetValue(room, out var live) && live == incarnation ? new Silent() : null;

    public void Add(string room, long incarnation) => _rooms[room] = incarnation;

    public void Remove(string room) => _rooms.TryRemove(room, out _);

    private sealed class Silent : IRoomNode
    {
        public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("The registry never calls a room.");

        public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("The registry never calls a room.");

        public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("The registry never calls a room.");
    }
}
