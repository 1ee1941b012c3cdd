using PushSystem.Contracts;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>A session registry in memory.</summary>
internal sealed class FakeRegistry : ISessionRegistry
{
    private readonly Lock _lock = new();
    private readonly Dictionary<UserKey, SessionEntry> _entries = [];
    private long _generation;

    public Exception? Fault { get; set; }

    /// <summary>Thrown by counts.</summary>
    public Exception? CountFault { get; set; }

    /// <summary>Runs after each unbind: where a test lets the user bind elsewhere.</summary>
    public Action? AfterUnbind { get; set; }

    /// <summary>Breaks the contract: no entries, whatever was asked.</summary>
    public bool AnswersNothing { get; set; }

    public int LookupCalls { get; private set; }

    public int UnbindCalls { get; private set; }

    public SessionEntry Bind(string user, string room, long incarnation, ulong connection = 1, string app = CenterHost.App)
    {
        var entry = new SessionEntry
        {
            Key = new UserKey(app, user), Room = room, Incarnation = incarnation, Connection = connection, Device = "phone-1",
            RemoteAddress = "192.0.2.7:50122", BoundAt = CenterHost.StartMilliseconds,
        };
        return BindAsync([entry], CancellationToken.None).Result.Count == 1 ? Find(entry.Key)! : entry;
    }

    public SessionEntry? Find(UserKey key)
    {
        lock (_lock)
            return _entries.GetValueOrDefault(key);
    }

    public ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<long>>([1]);

    public ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return ValueTask.FromResult<IReadOnlyList<BindReply>>([.. sessions.Select(session =>
            {
                var previous = _entries.GetValueOrDefault(session.Key);
                _entries[session.Key] = session with { Generation = ++_generation };
                return new BindReply(_generation, previous);
            })]);
        }
    }

    public ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken)
    {
        bool[] removed;
        lock (_lock)
        {
            UnbindCalls++;
            removed = [.. sessions.Select(session =>
                _entries.TryGetValue(session.Key, out var stored)
                && (stored.Room, stored.Incarnation, stored.Connection) == (session.Room, session.Incarnation, session.Connection)
                && _entries.Remove(session.Key))];
        }
        AfterUnbind?.Invoke();
        return ValueTask.FromResult<IReadOnlyList<bool>>(removed);
    }

    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        if (Fault is not null)
            throw Fault;
        lock (_lock)
        {
            LookupCalls++;
            if (AnswersNothing)
                return ValueTask.FromResult<IReadOnlyList<SessionEntry?>>([]);
            return ValueTask.FromResult<IReadOnlyList<SessionEntry?>>([.. keys.Select(key => _entries.GetValueOrDefault(key))]);
        }
    }

    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken)
    {
        if (CountFault is not null)
            throw CountFault;
        lock (_lock)
            return ValueTask.FromResult<long>(_entries.Keys.Count(key => key.App == app));
    }
}
