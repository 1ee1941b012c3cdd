using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator.Presence;

/// <summary>
/// Owns one <see cref="PresenceBook"/> for each app that wants presence, and the settling after a start.
/// Any thread. Presence goes through the same queue as upstream messages, so that both stay in order for a user.
/// Disposed by the coordinator.
/// </summary>
internal sealed class PresenceNotifier(
    IEventQueue events, IFactStore facts, IAppDirectory apps, ISessionRegistry sessions, IRoomDirectory rooms, WebhookSender sender,
    TimeProvider time, ILogger logger, CoordinatorMetrics metrics, CoordinatorOptions options) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, PresenceBook> _books = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private Task _settling = Task.CompletedTask;

    /// <summary>Begins the settle time.</summary>
    public void Start() => _settling = SettleAsync();

    /// <summary>See <see cref="ICoordinator.NotifyAsync"/>. When a store is away it throws and the caller repeats the same changes.</summary>
    public async ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken)
    {
        foreach (var ofApp in changes.GroupBy(change => change.Key.App, StringComparer.Ordinal))
        {
            if (WantsPresence(ofApp.Key) && await BookOf(ofApp.Key).ApplyAsync([.. ofApp], cancellationToken))
                sender.Wake(ofApp.Key);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _settling;
        _stopping.Dispose();
        foreach (var book in _books.Values)
            book.Dispose();
    }

    private bool WantsPresence(string app) => apps.Find(app) is { Enabled: true, Webhook.Presence: true };

    private PresenceBook BookOf(string app) => _books.GetOrAdd(app, id => new PresenceBook(
        id, events, facts, sessions, rooms, time, logger, metrics, options.PresenceUsersInMemory));

    private async Task SettleAsync()
    {
        var retries = new RetryPolicy(options.RetryBase, options.RetryCap);
        var failures = 0;
        var pause = options.PresenceSettle;
        var settled = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            try
            {
                await Task.Delay(pause, time, _stopping.Token);
                foreach (var app in apps.All.Where(app => !settled.Contains(app.Id)))
                {
                    await SettleAsync(app.Id);
                    settled.Add(app.Id);
                }
                return;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                pause = retries.PauseAfter(++failures);
                CoordinatorLog.SettleFailed(logger, exception, pause);
            }
        }
    }

    private async Task SettleAsync(string app)
    {
        if (!WantsPresence(app))
        {
            await BookOf(app).ForgetAsync(_stopping.Token);
            return;
        }
        var reported = await BookOf(app).SettleAsync(_stopping.Token);
        if (reported == 0)
            return;
        sender.Wake(app);
        CoordinatorLog.PresenceSettled(logger, app, reported);
    }
}
