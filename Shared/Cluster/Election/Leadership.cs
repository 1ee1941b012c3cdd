using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;

namespace PushSystem.Cluster.Election;

/// <summary>
/// What the winner of an election holds. Owns the watch of its own key. Any thread.
/// Disposed by the winner, which resigns.
/// </summary>
public sealed class Leadership : IAsyncDisposable
{
    private readonly LeaseKeeper _lease;
    private readonly IEtcdMirror _mirror;
    private readonly Func<Leadership, ValueTask> _resign;
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _isDisposed;

    internal Leadership(string name, string key, long token, LeaseKeeper lease, IEtcdMirror mirror, Func<Leadership, ValueTask> resign)
    {
        (Name, Key, Token, _lease, _mirror, _resign) = (name, key, token, lease, mirror, resign);
        _mirror.Changed += (_, after) => Check(after);
        Check(_mirror.Current);
        _ = lease.Lost.ContinueWith(_ => _ended.TrySetResult("the lease ended"), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>What was campaigned for.</summary>
    public string Name { get; }

    /// <summary>
    /// create_revision of the leader's key: every later leader's is higher. Whoever is written to keeps the highest token it saw and
    /// refuses lower ones; that, not <see cref="IsHeld"/>, is what keeps two leaders apart.
    /// </summary>
    public long Token { get; }

    /// <summary>
    /// False from the moment on in which another may lead. Reads the monotonic clock at each call, so that it is right at once after
    /// the process was paused: ask before each step, not once.
    /// </summary>
    public bool IsHeld => !_ended.Task.IsCompleted && _lease.IsHeld;

    /// <summary>Completes with the reason when the leadership is known to be over. <see cref="IsHeld"/> may turn false earlier.</summary>
    public Task<string> Ended => _ended.Task;

    internal string Key { get; }

    /// <summary>Resigns; the next candidate leads. Bounded in time: without an answer from etcd the lease decides.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        _ended.TrySetResult("resigned");
        await _mirror.DisposeAsync();
        await _resign(this);
    }

    /// <summary>Somebody removed the key: the next candidate leads already.</summary>
    private void Check(EtcdSnapshot snapshot)
    {
        if (snapshot.Revision >= Token && snapshot.Entries.GetValueOrDefault(Key)?.CreateRevision != Token)
            _ended.TrySetResult("the key was removed");
    }
}
