using System.Text;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Tests.Support;

/// <summary>Broadcast logs that really keep sequences; a test says what is released.</summary>
internal sealed class FakeBroadcastLog(TimeProvider time) : IBroadcastLog
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Log> _logs = [];

    public CallScript Script { get; } = new();
    public List<(string App, long FromSeq)> Reads { get; } = [];

    /// <summary>Appends and says what the fan-out of it looks like. Released at once unless told otherwise.</summary>
    public FanoutCommand Append(string app, string text, int rate = 0, TimeSpan? timeToLive = null, bool release = true)
    {
        lock (_lock)
        {
            var log = LogOf(app);
            var expires = timeToLive is { } ttl ? time.GetUtcNow().ToUnixTimeMilliseconds() + (long)ttl.TotalMilliseconds : 0;
            var entry = new StreamEntry(++log.Top, ResetReason.None, PayloadKind.Text, 0, expires, Encoding.UTF8.GetBytes(text));
            log.Entries.Add(entry.Seq, entry);
            if (release)
                log.Released = log.Top;
            return new FanoutCommand(app, log.Epoch, entry.Seq, FanoutAction.Run, rate, entry.Kind, expires, entry.Payload);
        }
    }

    public Log Of(string app)
    {
        lock (_lock)
            return LogOf(app);
    }

    public void Cancel(string app, long seq)
    {
        lock (_lock)
            LogOf(app).Entries[seq] = new StreamEntry(seq, ResetReason.Cancelled, default, 0, 0, default);
    }

    public StreamOpening Open(UserKey key, StreamPosition position)
    {
        lock (_lock)
        {
            var log = LogOf(key.App);
            if (!log.Cursors.TryGetValue(key.User, out var cursor))
                cursor = log.Released;
            if (position.Epoch == log.Epoch)
                cursor = Math.Max(cursor, Math.Min(position.Seq, log.Released));
            log.Cursors[key.User] = cursor;
            return new StreamOpening(log.Epoch, cursor, log.Released, ResetReason.None);
        }
    }

    public async ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(ReleasedAsync), cancellationToken);
        lock (_lock)
            return new StreamPosition(LogOf(app).Epoch, LogOf(app).Released);
    }

    public async ValueTask<ReadReply> ReadAsync(string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(ReadAsync), cancellationToken);
        ReadReply reply;
        lock (_lock)
        {
            Reads.Add((app, fromSeq));
            var log = LogOf(app);
            reply = epoch != log.Epoch
                ? new ReadReply(log.Epoch, [], log.Released, 0)
                : new ReadReply(log.Epoch,
                    FakeMailboxes.Range(log.Entries.Values.Where(entry => entry.Seq <= log.Released), fromSeq, maxMessages, maxBytes), log.Released, 0);
        }
        await Script.After(nameof(ReadAsync), cancellationToken);
        return reply;
    }

    public ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<BroadcastRecord?> SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask ReportAsync(string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken) => throw new NotSupportedException();

    private Log LogOf(string app)
    {
        if (!_logs.TryGetValue(app, out var log))
            _logs.Add(app, log = new Log());
        return log;
    }

    internal sealed class Log
    {
        public uint Epoch { get; set; } = 3;
        public long Top { get; set; }
        public long Released { get; set; }
        public SortedDictionary<long, StreamEntry> Entries { get; } = [];
        public Dictionary<string, long> Cursors { get; } = [];
    }
}
