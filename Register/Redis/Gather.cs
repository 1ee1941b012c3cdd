using PushSystem.Contracts;

namespace PushSystem.Register.Redis;

/// <summary>
/// One caller's request, cut into pieces by part: completes when the last piece is done, with the answers in the order of the
/// request, or with the first failure. Thread-safe.
/// </summary>
internal sealed class Gather<TReply>(int replies, int pieces, long started, CancellationToken abandoned)
{
    private readonly TReply[] _replies = new TReply[replies];
    private readonly TaskCompletionSource<IReadOnlyList<TReply>> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _pieces = pieces;
    private StoreUnavailableException? _failure;

    public Task<IReadOnlyList<TReply>> Task => _source.Task;

    /// <summary>When the request came.</summary>
    public long Started { get; } = started;

    /// <summary>The caller does not wait any more: what was not begun is left.</summary>
    public bool IsAbandoned => abandoned.IsCancellationRequested;

    /// <summary>Each place is written once, before its piece is done.</summary>
    public void Set(int place, TReply reply) => _replies[place] = reply;

    public void Fail(StoreUnavailableException failure) => Interlocked.CompareExchange(ref _failure, failure, null);

    public void Done()
    {
        if (Interlocked.Decrement(ref _pieces) > 0)
            return;
        if (_failure is { } failure)
            _source.SetException(failure);
        else
            _source.SetResult(_replies);
    }
}

/// <summary>The items of one request that belong to one part, with their places in the answer.</summary>
internal readonly record struct Piece<TReply>(Gather<TReply> Gather, Item[] Items, int[] Places);
