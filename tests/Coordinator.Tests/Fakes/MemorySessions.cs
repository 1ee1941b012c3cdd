using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Tests.Fakes;

/// <summary>A registry and a directory of scripted rooms.</summary>
public sealed class MemorySessions : ISessionRegistry, IRoomDirectory
{
    private readonly ConcurrentDictionary<UserKey, SessionEntry> _entries = new();
    private readonly ConcurrentDictionary<(string, long), ScriptedRoom> _rooms = new();

    public IReadOnlyList<RoomInfo> Rooms => [.. _rooms.Keys.Select(room => new RoomInfo { Id = room.Item1, Incarnation = room.Item2, Addresses = [] })];

    public long Revision { get; set; } = long.MaxValue;

    public void RemoveRoom(string id, long incarnation) => _rooms.TryRemove((id, incarnation), out _);

    public ConcurrentQueue<SessionEntry> Unbinds { get; } = new();

    public ScriptedRoom Room(string id, long incarnation) => _rooms.GetOrAdd((id, incarnation), _ => new ScriptedRoom());

    public void Enter(UserKey key, string room, long incarnation, ulong connection, long generation) => _entries[key] =
        new SessionEntry { Key = key, Room = room, Incarnation = incarnation, Connection = connection, Generation = generation };

    public IRoomNode? Find(string room, long incarnation) => _rooms.GetValueOrDefault((room, incarnation));

    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        new((SessionEntry?[])[.. keys.Select(key => _entries.GetValueOrDefault(key))]);

    public ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        foreach (var session in sessions)
            Unbinds.Enqueue(session);
        return new((bool[])[.. sessions.Select(session => _entries.TryGetValue(session.Key, out var stored)
            && (stored.Room, stored.Incarnation, stored.Connection) == (session.Room, session.Incarnation, session.Connection)
            && _entries.TryRemove(new KeyValuePair<UserKey, SessionEntry>(session.Key, stored)))]);
    }

    public ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken) =>
        throw new NotSupportedException("the coordinator never binds");

    public ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<long>>([1]);

    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken) => new(_entries.Keys.Count(key => key.App == app));
}

/// <summary>A room that knows the sessions a test gave it.</summary>
public sealed class ScriptedRoom : IRoomNode
{
    public ConcurrentDictionary<UserKey, long> Sessions { get; } = new();
    public ConcurrentQueue<KickItem> Kicks { get; } = new();
    public Action<KickItem>? BeforeKick { get; set; }

    public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken)
    {
        var results = new bool[items.Count];
        for (var i = 0; i < items.Count; i++)
        {
            Kicks.Enqueue(items[i]);
            BeforeKick?.Invoke(items[i]);
            results[i] = Sessions.TryGetValue(items[i].Key, out var generation)
                && (items[i].Generation == 0 || items[i].Generation == generation) && Sessions.TryRemove(items[i].Key, out _);
        }
        return new(results);
    }

    public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) =>
        throw new NotSupportedException("the coordinator never delivers");

    public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken) =>
        throw new NotSupportedException("the coordinator never fans out");
}
