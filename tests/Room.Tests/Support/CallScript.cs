using PushSystem.Contracts;

namespace PushSystem.Room.Tests.Support;

/// <summary>
/// What a test wants to happen to the next calls of a fake: wait before or after the work, or fail. Names are the contract's
/// method names. Any thread.
/// </summary>
internal sealed class CallScript
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Queue<CallGate>> _before = [];
    private readonly Dictionary<string, Queue<CallGate>> _after = [];
    private readonly Dictionary<string, (int Left, Exception Error)> _failures = [];
    private readonly Dictionary<string, int> _counts = [];

    /// <summary>Calls so far, failed ones included.</summary>
    public int Count(string call)
    {
        lock (_lock)
            return _counts.GetValueOrDefault(call);
    }

    /// <summary>The next call waits before it does anything.</summary>
    public CallGate HoldBefore(string call) => Add(_before, call);

    /// <summary>The next call does its work and then waits with the answer.</summary>
    public CallGate HoldAfter(string call) => Add(_after, call);

    /// <summary>The next calls fail before they do anything.</summary>
    public void Fail(string call, int times = 1, Exception? error = null)
    {
        lock (_lock)
            _failures[call] = (times, error ?? new StoreUnavailableException("the store is away"));
    }

    public async ValueTask Before(string call, CancellationToken cancellationToken)
    {
        CallGate? gate;
        lock (_lock)
        {
            _counts[call] = _counts.GetValueOrDefault(call) + 1;
            gate = Take(_before, call);
        }
        if (gate is not null)
            await gate.Pass(cancellationToken);
        lock (_lock)
        {
            if (!_failures.TryGetValue(call, out var failure) || failure.Left == 0)
                return;
            _failures[call] = failure with { Left = failure.Left - 1 };
            throw failure.Error;
        }
    }

    public async ValueTask After(string call, CancellationToken cancellationToken)
    {
        CallGate? gate;
        lock (_lock)
            gate = Take(_after, call);
        if (gate is not null)
            await gate.Pass(cancellationToken);
    }

    private CallGate Add(Dictionary<string, Queue<CallGate>> gates, string call)
    {
        var gate = new CallGate();
        lock (_lock)
        {
            if (!gates.TryGetValue(call, out var queue))
                gates.Add(call, queue = new Queue<CallGate>());
            queue.Enqueue(gate);
        }
        return gate;
    }

    private static CallGate? Take(Dictionary<string, Queue<CallGate>> gates, string call) =>
        gates.TryGetValue(call, out var queue) && queue.TryDequeue(out var gate) ? gate : null;
}

/// <summary>One held call. Continues on the thread that releases it, so that a test decides every step.</summary>
internal sealed class CallGate
{
    private readonly TaskCompletionSource _released = new();

    public bool Arrived { get; private set; }

    /// <summary>Cancellation ends the wait, so that a test that fails before the release does not hang in its disposal.</summary>
    public Task Pass(CancellationToken cancellationToken)
    {
        Arrived = true;
        cancellationToken.Register(() => _released.TrySetCanceled(cancellationToken));
        return _released.Task;
    }

    /// <summary>The call that it waits for need not come: it is not held then.</summary>
    public void Disarm() => _released.TrySetResult();

    public void Release()
    {
        Assert.True(Arrived, "the call that was to be held has not come");
        _released.TrySetResult();
    }

    public void Fail()
    {
        Assert.True(Arrived, "the call that was to be held has not come");
        _released.TrySetException(new StoreUnavailableException("the store went away during the call"));
    }
}
