using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PushSystem.Center.Tasks;

/// <summary>
/// Sends wake-ups to the other centers without making anybody wait; those for one app that gather meanwhile are sent as one.
/// Owns the set of apps and one loop; any thread asks; the host starts and stops it.
/// </summary>
internal sealed class WakeSender(IEnumerable<ITaskWakeUps> wakeUps, CenterOptions options, TimeProvider time, ILogger<WakeSender> logger)
    : BackgroundService
{
    private readonly ITaskWakeUps[] _wakeUps = [.. wakeUps];
    private readonly ConcurrentDictionary<string, bool> _apps = new(StringComparer.Ordinal);
    private readonly WakeSignal _signal = new();

    /// <summary>Asks for a wake-up. Never waits.</summary>
    public void Send(string app)
    {
        if (_wakeUps.Length == 0)
            return;
        _apps[app] = true;
        _signal.Set();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (_wakeUps.Length == 0)
            return;
        try
        {
            while (true)
            {
                await _signal.WaitAsync(options.RefreshInterval, time, stoppingToken);
                foreach (var app in _apps.Keys)
                {
                    if (_apps.TryRemove(app, out _))
                        await SendAsync(app, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async ValueTask SendAsync(string app, CancellationToken stopping)
    {
        foreach (var wakeUp in _wakeUps)
        {
            try
            {
                await wakeUp.WakeAsync(app, stopping).AsTask().WaitAsync(options.PollInterval, time, stopping);
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.WakeUpFailed(logger, exception, app);
            }
        }
    }
}
