using System.Runtime.InteropServices;

namespace PushSystem.Hosting.Lifetime;

/// <summary>
/// Ctrl+C and SIGTERM: the first asks for a drain, the second ends the process at once.
/// Owns the signal registrations; the runtime's signal thread calls it; disposed by the program that made it.
/// </summary>
public sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _signals;

    public StopSignal() => _signals =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal),
    ];

    /// <summary>Completes at the first signal.</summary>
    public Task Requested => _requested.Task;

    /// <summary>Cancelled at the first signal: ends a start that has not finished.</summary>
    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (var signal in _signals)
            signal.Dispose();
        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        if (_requested.Task.IsCompleted)
            Environment.Exit(130);
        context.Cancel = true;
        _requested.TrySetResult();
        _source.Cancel();
    }
}
