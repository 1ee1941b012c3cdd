using PushSystem.Contracts;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>Work claims in memory.</summary>
internal sealed class FakeClaims : IWorkClaims
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _owners = new(StringComparer.Ordinal);

    public Exception? Fault { get; set; }

    public int ClaimCalls { get; private set; }

    public long Owner(string work)
    {
        lock (_lock)
            return _owners.GetValueOrDefault(work);
    }

    /// <summary>As another process leaves it.</summary>
    public void Set(string work, long token)
    {
        lock (_lock)
            _owners[work] = token;
    }

    public void Check(Fence fence)
    {
        if (fence.IsSet && Owner(fence.Work!) != fence.Token)
            throw new FencedException($"{fence.Token} does not own {fence.Work}");
    }

    public ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken)
    {
        if (Fault is not null)
            throw Fault;
        lock (_lock)
        {
            ClaimCalls++;
            var owner = _owners.GetValueOrDefault(work);
            if (owner == 0 || (owner < token && !live.Contains(owner)))
                _owners[work] = owner = token;
            return ValueTask.FromResult(owner);
        }
    }

    public ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken)
    {
        if (Fault is not null)
            throw Fault;
        lock (_lock)
        {
            if (_owners.GetValueOrDefault(work) == token)
                _owners.Remove(work);
        }
        return ValueTask.CompletedTask;
    }
}

/// <summary>The centers that one center believes to live.</summary>
internal sealed class FakePeers(long self, params long[] live) : IPeers
{
    private long _self = self;
    private long[] _live = [self, .. live];

    public event Action? Changed;

    public bool IsFirst { get; set; } = true;

    public long Self => Volatile.Read(ref _self);

    public IReadOnlyCollection<long> Live => Volatile.Read(ref _live);

    public bool IsFirstFor(string work) => IsFirst;

    /// <summary>Another token (0 = not known to be alive) and other living ones, told at once unless <paramref name="silent"/>.</summary>
    public void Set(long self, long[] live, bool silent = false)
    {
        Volatile.Write(ref _self, self);
        Volatile.Write(ref _live, live);
        if (!silent)
            Changed?.Invoke();
    }
}

/// <summary>Wake-ups that arrive at another center of the test.</summary>
internal sealed class FakeWakeUps(Action<string> wake) : Center.Tasks.ITaskWakeUps
{
    public ValueTask WakeAsync(string app, CancellationToken cancellationToken)
    {
        wake(app);
        return ValueTask.CompletedTask;
    }
}
