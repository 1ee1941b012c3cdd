using PushSystem.Contracts;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>Multicasts in memory.</summary>
internal sealed class FakeMulticasts(TimeProvider time) : IMulticasts
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<long, Entry> _tasks = [];
    private readonly Dictionary<(string App, string Key), (byte[] Fingerprint, long Id)> _claims = [];
    private long _last;

    /// <summary>Throws instead of answering while it returns an exception; gets the call's name.</summary>
    public Func<string, Exception?>? Fault { get; set; }

    /// <summary>Throws after the call has been done while it returns an exception: the outcome is unknown to the caller.</summary>
    public Func<string, Exception?>? LostAnswer { get; set; }

    /// <summary>Every commit: part, from, to.</summary>
    public List<(int Part, int From, int To)> Commits { get; } = [];

    /// <summary>Tasks that exist, receiving ones included.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _tasks.Count;
        }
    }

    public int PartCalls { get; private set; }

    public MulticastRecord Record(long id)
    {
        lock (_lock)
            return _tasks[id].Record;
    }

    public string[] Users(long id)
    {
        lock (_lock)
            return [.. _tasks[id].Parts.OrderBy(part => part.Key).SelectMany(part => part.Value.Users)];
    }

    public int[] PartSizes(long id)
    {
        lock (_lock)
            return [.. _tasks[id].Parts.OrderBy(part => part.Key).Select(part => part.Value.Users.Length)];
    }

    public (long Owner, int Cursor) PartOf(long id, int part)
    {
        lock (_lock)
            return (_tasks[id].Parts[part].Owner, _tasks[id].Parts[part].Cursor);
    }

    /// <summary>Gives a part to another owner, as when this one was taken for dead.</summary>
    public void Steal(long id, int part, long owner)
    {
        lock (_lock)
            _tasks[id].Parts[part].Owner = owner;
    }

    /// <summary>A task that is ready to be worked on.</summary>
    public long Add(IEnumerable<string> users, int rate = 0, string app = CenterHost.App, Durability level = Durability.Durable, TimeSpan? timeToLive = null)
    {
        var draft = new MulticastDraft(app, level, Protocol.PayloadKind.Text, "hello"u8.ToArray(), timeToLive, rate);
        var id = CreateAsync(draft, CancellationToken.None).Result.Id;
        var parts = users.Chunk(IMulticasts.MaxPartUsers).ToArray();
        for (var i = 0; i < parts.Length; i++)
            _ = AddPartAsync(app, id, i, parts[i], CancellationToken.None).IsCompleted;
        _ = SealAsync(app, id, parts.Length, null, CancellationToken.None).Result;
        return id;
    }

    public ValueTask<MulticastRecord> CreateAsync(MulticastDraft draft, CancellationToken cancellationToken) => Do("create", () =>
    {
        var now = Now();
        var record = new MulticastRecord
        {
            App = draft.App, Id = ++_last, State = TaskState.Receiving, Level = draft.Level, Kind = draft.Kind, PayloadBytes = draft.Payload.Length,
            RatePerSecond = draft.RatePerSecond, AcceptedAt = now, ExpiresAt = now + (long)(draft.TimeToLive ?? TimeSpan.FromDays(7)).TotalMilliseconds,
        };
        _tasks.Add(record.Id, new Entry(record, draft.Payload.ToArray()));
        return record;
    });

    public async ValueTask AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken) => await Do("part", () =>
    {
        if (users.Count is 0 or > IMulticasts.MaxPartUsers)
            throw new ArgumentException($"users: {users.Count}");
        if (_tasks.GetValueOrDefault(id) is not { Record.State: TaskState.Receiving } task)
            throw new InvalidOperationException("not receiving");
        task.Parts[part] = new Part([.. users]);
        PartCalls++;
        return true;
    });

    public ValueTask<MulticastReply> SealAsync(string app, long id, int parts, IdempotencyClaim? claim, CancellationToken cancellationToken) => Do("seal", () =>
    {
        var task = _tasks[id];
        if (claim is not null && _claims.TryGetValue((app, claim.Key), out var first))
        {
            _tasks.Remove(id);
            return claim.Fingerprint.Span.SequenceEqual(first.Fingerprint)
                ? new MulticastReply(WriteStatus.Replayed, _tasks[first.Id].Record)
                : new MulticastReply(WriteStatus.Conflict, null);
        }
        if (task.Record.State != TaskState.Receiving || !task.Parts.Keys.Order().SequenceEqual(Enumerable.Range(0, parts)))
            throw new InvalidOperationException("not complete");
        task.Record = task.Record with { State = TaskState.Queued, Targeted = task.Parts.Values.Sum(part => part.Users.Length) };
        if (claim is not null)
            _claims[(app, claim.Key)] = (claim.Fingerprint.ToArray(), id);
        return new MulticastReply(WriteStatus.Stored, task.Record);
    });

    public async ValueTask DiscardAsync(string app, long id, CancellationToken cancellationToken) => await Do("discard", () =>
        _tasks.TryGetValue(id, out var task) && task.Record.State == TaskState.Receiving && _tasks.Remove(id));

    public ValueTask<MulticastRecord?> FindAsync(string app, long id, CancellationToken cancellationToken) =>
        Do("find", () => Find(app, id)?.Record);

    public ValueTask<IReadOnlyList<MulticastRecord>> ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken) =>
        Do<IReadOnlyList<MulticastRecord>>("list", () =>
        [
            .. _tasks.Values.Select(task => task.Record)
                .Where(record => record.App == app && record.State != TaskState.Receiving && (beforeId == 0 || record.Id < beforeId))
                .OrderByDescending(record => record.Id).Take(limit),
        ]);

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, long id, CancellationToken cancellationToken) =>
        Do("payload", () => Find(app, id) is { } task ? task.Payload : (ReadOnlyMemory<byte>?)null);

    public ValueTask<MulticastRecord?> MoveAsync(
        string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken) => Do("move", () =>
    {
        if (Find(app, id) is not { } task)
            return null;
        if (from.Contains(task.Record.State))
            task.Record = task.Record with { State = next, FinishedAt = next is TaskState.Done or TaskState.Cancelled ? Now() : 0 };
        return task.Record;
    });

    public ValueTask<MulticastRecord?> SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken) => Do("rate", () =>
    {
        if (Find(app, id) is not { } task)
            return null;
        task.Record = task.Record with { RatePerSecond = ratePerSecond };
        return task.Record;
    });

    public ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken) => Do<IReadOnlyList<Subtask>>("take", () =>
    {
        var taken = new List<Subtask>();
        foreach (var task in _tasks.Values.Where(task => task.Record.State is TaskState.Queued or TaskState.Running && task.Record.ExpiresAt > Now()))
        {
            foreach (var (number, part) in task.Parts.OrderBy(part => part.Key))
            {
                var isFree = part.Owner == 0 || (part.Owner < token && !live.Contains(part.Owner));
                if (taken.Count == max || !isFree || part.Cursor == part.Users.Length)
                    continue;
                part.Owner = token;
                if (task.Record.State == TaskState.Queued)
                    task.Record = task.Record with { State = TaskState.Running, StartedAt = Now() };
                taken.Add(new Subtask(task.Record, number, part.Cursor, part.Users));
            }
        }
        return taken;
    });

    public ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken) => Do("commit", () =>
    {
        var task = _tasks[subtask.Task.Id];
        var part = task.Parts[subtask.Part];
        if (part.Owner != token || part.Cursor != from)
            throw new FencedException("not the owner");
        Commits.Add((subtask.Part, from, to));
        part.Cursor = to;
        var isDone = task.Parts.Values.All(one => one.Cursor == one.Users.Length) && task.Record.State != TaskState.Cancelled;
        task.Record = task.Record with
        {
            Accepted = task.Record.Accepted + accepted, Refused = task.Record.Refused + refused, Online = task.Record.Online + online,
            State = isDone ? TaskState.Done : task.Record.State, FinishedAt = isDone ? Now() : task.Record.FinishedAt,
        };
        return task.Record;
    });

    public async ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken) => await Do("release", () =>
    {
        foreach (var subtask in subtasks)
        {
            if (_tasks.TryGetValue(subtask.Task.Id, out var task) && task.Parts.TryGetValue(subtask.Part, out var part) && part.Owner == token)
                part.Owner = 0;
        }
        return true;
    });

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private Entry? Find(string app, long id) =>
        _tasks.TryGetValue(id, out var task) && task.Record.App == app && task.Record.State != TaskState.Receiving ? task : null;

    private ValueTask<T> Do<T>(string call, Func<T> work)
    {
        if (Fault?.Invoke(call) is { } exception)
            return ValueTask.FromException<T>(exception);
        T result;
        try
        {
            lock (_lock)
                result = work();
        }
        catch (Exception failure)
        {
            return ValueTask.FromException<T>(failure);
        }
        return LostAnswer?.Invoke(call) is { } lost ? ValueTask.FromException<T>(lost) : ValueTask.FromResult(result);
    }

    private sealed class Entry(MulticastRecord record, byte[] payload)
    {
        public MulticastRecord Record { get; set; } = record;
        public byte[] Payload { get; } = payload;
        public Dictionary<int, Part> Parts { get; } = [];
    }

    private sealed class Part(string[] users)
    {
        public string[] Users { get; } = users;
        public long Owner { get; set; }
        public int Cursor { get; set; }
    }
}
