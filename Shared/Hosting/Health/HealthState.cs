namespace PushSystem.Hosting.Health;

/// <summary>
/// Whether the process lives and whether it should get work.
/// Owns the list of checks; any thread may call it; nobody disposes it, checks are removed by disposing their registration.
/// </summary>
public sealed class HealthState
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Func<string?>> _checks = new(StringComparer.Ordinal);
    private volatile string? _fatal;
    private volatile bool _draining;

    /// <summary>What ended a part that the process cannot live without; null = alive. The first one stays.</summary>
    public string? Fatal => _fatal;

    /// <summary>The process is about to stop and wants no new work.</summary>
    public bool Draining => _draining;

    /// <summary>From now on the process is not ready; it does not come back.</summary>
    public void StartDraining() => _draining = true;

    /// <summary>From now on the process is not alive and wants to be restarted.</summary>
    public void Fail(string reason) => Interlocked.CompareExchange(ref _fatal, reason, null);

    /// <summary>
    /// Adds a check: null = ready, otherwise why not. It is called on each question and must not wait. Throws
    /// <see cref="ArgumentException"/> when the name is taken.
    /// </summary>
    public IDisposable AddCheck(string name, Func<string?> check)
    {
        lock (_lock)
            _checks.Add(name, check);
        return new Registration(this, name);
    }

    /// <summary>Asks every check. A check that throws counts as not ready.</summary>
    public IReadOnlyList<HealthCheckResult> Check()
    {
        KeyValuePair<string, Func<string?>>[] checks;
        lock (_lock)
            checks = [.. _checks];
        return [.. checks.Select(check => new HealthCheckResult(check.Key, Ask(check.Value)))];
    }

    private static string? Ask(Func<string?> check)
    {
        try
        {
            return check();
        }
        catch (Exception exception)
        {
            return exception.Message;
        }
    }

    private sealed class Registration(HealthState state, string name) : IDisposable
    {
        private HealthState? _state = state;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _state, null) is not { } owner)
                return;
            lock (owner._lock)
                owner._checks.Remove(name);
        }
    }
}

/// <summary>One check's answer; Failure null = ready.</summary>
public readonly record struct HealthCheckResult(string Name, string? Failure);
