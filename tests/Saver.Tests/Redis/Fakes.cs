using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Broadcasts;

namespace PushSystem.Saver.Tests.Redis;

/// <summary>Apps in memory.</summary>
internal sealed class FakeApps : IAppDirectory
{
    private readonly ConcurrentDictionary<string, AppRecord> _apps = new();

    public event Action<string>? Changed;

    public IReadOnlyList<AppRecord> All => [.. _apps.Values.OrderBy(app => app.Id, StringComparer.Ordinal)];

    public AppRecord? Find(string id) => _apps.GetValueOrDefault(id);

    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => null;

    public ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken)
    {
        var stored = app with { Revision = expectedRevision + 1 };
        _apps[app.Id] = stored;
        Changed?.Invoke(app.Id);
        return ValueTask.FromResult<AppRecord?>(stored);
    }
}

/// <summary>A broadcast log of which only the ends are known.</summary>
internal sealed class FakeBroadcastView : IBroadcastView
{
    public BroadcastEnds Ends { get; set; } = new(1, 0, 0);

    public ConcurrentQueue<(string App, long After, long To)> Counted { get; } = new();

    public ValueTask<BroadcastEnds> EndsAsync(string app, CancellationToken cancellationToken) => ValueTask.FromResult(Ends);

    public ValueTask<(long Position, ResetReason Reason)> SkipDeadAsync(string app, long position, CancellationToken cancellationToken) =>
        ValueTask.FromResult((position, ResetReason.None));

    public void CountAcks(string app, uint epoch, long after, long to, int users) => Counted.Enqueue((app, after, to));
}

/// <summary>The one question of a broadcast log that the mailbox suites ask.</summary>
internal sealed class KnownUsersLog(Func<IKnownUsers> users) : IBroadcastLog
{
    public ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken) => users().CountAsync(app, cancellationToken);

    public ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<BroadcastRecord?> SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask ReportAsync(
        string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<ReadReply> ReadAsync(string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
