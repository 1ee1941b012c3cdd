using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Coordinator.Presence;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator.Ownership;

/// <summary>
/// Decides which apps this coordinator works for: claims those for which it comes first and hands them over when another one does.
/// Owns the owned apps, its loop and the calls to others; any thread; nothing is awaited under the table's lock. Disposed by the
/// coordinator. In the cluster every app's events and presence are the task of exactly one process, held by the claim "events/{app}".
/// </summary>
internal sealed class AppOwners : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, OwnedApp> _owned = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Task> _leaving = new(StringComparer.Ordinal);
    private readonly HashSet<string> _wanted = new(StringComparer.Ordinal);
    // Apps that another coordinator is being told of, and whether it has to be told once more.
    private readonly Dictionary<string, bool> _telling = new(StringComparer.Ordinal);
    private readonly HashSet<Task> _tells = [];
    private readonly SemaphoreSlim _claiming = new(1, 1);
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private readonly CoordinatorCluster _cluster;
    private readonly DeliveryContext _context;
    private readonly PresenceContext _presence;
    private readonly CancellationToken _stop;
    private readonly DeadOwners _dead;
    private readonly RoomWatch _rooms;
    private DateTimeOffset _forgetDue;
    private Task _loop = Task.CompletedTask;
    private bool _stopped;
    private bool _backlogSeen;

    public AppOwners(CoordinatorCluster cluster, DeliveryContext context, PresenceContext presence)
    {
        _stop = _stopping.Token;
        _cluster = cluster;
        _context = context;
        _presence = presence;
        _dead = new DeadOwners(cluster.Peers, context.Time, context.Options.UnknownOwnerPatience);
        _rooms = new RoomWatch(presence.Rooms);
        _forgetDue = context.Time.GetUtcNow() + context.Options.PresenceSettle;
        context.Metrics.WatchOwned(() => Owned().Length);
    }

    public static string WorkOf(string app) => "events/" + app;

    /// <summary>Takes up what is stored from before, then watches for work and for changes among the peers.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await ReconcileAsync(cancellationToken);
        _cluster.Peers.Changed += Signal;
        _context.Apps.Changed += AppChanged;
        _loop = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>Events of the app were stored here or elsewhere. Never waits.</summary>
    public void Wake(string app, bool tellOthers)
    {
        var first = _cluster.Peers.IsFirstFor(WorkOf(app));
        lock (_lock)
        {
            if (_stopped)
                return;
            if (_owned.TryGetValue(app, out var owned))
            {
                owned.Delivery.Wake();
                return;
            }
            if (first)
                _wanted.Add(app);
            else if (tellOthers && _cluster.Others is { } others)
                TellLocked(app, others);
        }
        if (first)
            Signal();
    }

    /// <summary>
    /// The app if this process owns it now, or can claim it because it comes first; null when it is another one's. Throws
    /// <see cref="StoreUnavailableException"/>.
    /// </summary>
    public async ValueTask<OwnedApp?> OwnAsync(string app, CancellationToken cancellationToken)
    {
        if (TryGet(app) is { } known)
            return known;
        if (_cluster.Peers.Self == 0 || !_cluster.Peers.IsFirstFor(WorkOf(app)))
            return null;
        if (!await EnterAsync(cancellationToken))
            return null;
        try
        {
            _dead.Note();
            if (TryGet(app) is { } other)
                return other;
            lock (_lock)
            {
                if (_stopped || _owned.ContainsKey(app) || _leaving.ContainsKey(app))
                    return null; // Of before a change of the own incarnation, or on its way out: the loop is at it.
            }
            var token = _cluster.Peers.Self;
            return token != 0 && await ClaimAsync(app, token, cancellationToken) ? Take(app, token) : null;
        }
        finally
        {
            _claiming.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _cluster.Peers.Changed -= Signal;
        _context.Apps.Changed -= AppChanged;
        await _stopping.CancelAsync();
        await _loop;
        OwnedApp[] owned;
        lock (_lock)
        {
            _stopped = true;
            owned = [.. _owned.Values];
        }
        await Task.WhenAll(owned.Select(Leave));
        Task[] leaving;
        lock (_lock)
            leaving = [.. _leaving.Values];
        await Task.WhenAll(leaving);
        Task[] tells;
        lock (_lock)
            tells = [.. _tells];
        await Task.WhenAll(tells);
        // Whoever is claiming now finds the table closed; whoever waits behind has been told to stop.
        await _claiming.WaitAsync();
        _claiming.Dispose();
        _stopping.Dispose();
    }

    // False: we stop.
    private async ValueTask<bool> EnterAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop);
        try
        {
            await _claiming.WaitAsync(either.Token);
            return true;
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException && _stop.IsCancellationRequested)
        {
            return false;
        }
    }

    private void Signal() => _signal.Writer.TryWrite(true);

    private void AppChanged(string app)
    {
        if (TryGet(app) is { } owned)
        {
            owned.Delivery.TargetChanged();
            owned.Looks.Ask();
        }
        Signal();
    }

    private OwnedApp[] Owned()
    {
        lock (_lock)
            return [.. _owned.Values];
    }

    private OwnedApp? TryGet(string app)
    {
        lock (_lock)
            return _owned.TryGetValue(app, out var owned) && owned.Token == _cluster.Peers.Self ? owned : null;
    }

    private async ValueTask<bool> ClaimAsync(string app, long token, CancellationToken cancellationToken)
    {
        var live = _cluster.Peers.Live;
        var owner = await _cluster.Claims.ClaimAsync(WorkOf(app), token, live, cancellationToken);
        if (owner > token && _dead.IsDead(owner))
        {
            await _cluster.Claims.ReleaseAsync(WorkOf(app), owner, cancellationToken);
            owner = await _cluster.Claims.ClaimAsync(WorkOf(app), token, live, cancellationToken);
        }
        return owner == token;
    }

    private OwnedApp? Take(string app, long token)
    {
        bool MayWork() => _cluster.Peers.Self == token;
        lock (_lock)
        {
            if (_stopped)
                return null;
            var book = new PresenceBook(app, _presence, MayWork);
            var delivery = new AppDelivery(app, _context, MayWork);
            var owned = new OwnedApp(app, token, delivery, book, new PresenceLooks(app, book, _presence, delivery.Wake));
            _owned.Add(app, owned);
            CoordinatorLog.AppClaimed(_context.Logger, app, token);
            return owned;
        }
    }

    // Completes when the requests in flight have ended and the claim is given back.
    private Task Leave(OwnedApp owned)
    {
        lock (_lock)
        {
            if (!_owned.TryGetValue(owned.App, out var now) || now != owned)
                return Task.CompletedTask;
            _owned.Remove(owned.App);
            return _leaving[owned.App] = Task.Run(() => LeaveAsync(owned));
        }
    }

    private async Task LeaveAsync(OwnedApp owned)
    {
        try
        {
            await owned.DisposeAsync();
            using var limit = new CancellationTokenSource(_context.Options.StopWait, _context.Time);
            await _cluster.Claims.ReleaseAsync(WorkOf(owned.App), owned.Token, limit.Token);
            CoordinatorLog.AppReleased(_context.Logger, owned.App, owned.Token);
            if (_cluster.Others is { } others)
                await others.WakeAsync(owned.App, limit.Token);
        }
        catch (Exception exception)
        {
            // Then it ends with this process: whoever takes it over sees that the owner is dead.
            CoordinatorLog.ReleaseFailed(_context.Logger, exception, owned.App);
        }
        finally
        {
            lock (_lock)
                _leaving.Remove(owned.App);
            Signal();
        }
    }

    // One call per app at a time, however many events are stored meanwhile.
    private void TellLocked(string app, ICoordinatorPeers others)
    {
        if (!_telling.TryAdd(app, false))
        {
            _telling[app] = true;
            return;
        }
        // At most one for each app; the ended ones go with the next.
        _tells.RemoveWhere(tell => tell.IsCompleted);
        _tells.Add(Task.Run(() => TellAsync(app, others)));
    }

    private async Task TellAsync(string app, ICoordinatorPeers others)
    {
        for (var again = true; again;)
        {
            try
            {
                using var limit = new CancellationTokenSource(_context.Options.BacklogPoll, _context.Time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop);
                await others.WakeAsync(app, either.Token);
            }
            catch (Exception exception)
            {
                CoordinatorLog.WakeFailed(_context.Logger, exception, app);
            }
            lock (_lock)
            {
                again = _telling[app] && !_stopped;
                _telling[app] = false;
                if (!again)
                    _telling.Remove(app);
            }
        }
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var next = CancellationTokenSource.CreateLinkedTokenSource(_stop);
                var signalled = _signal.Reader.ReadAsync(next.Token).AsTask();
                await Task.WhenAny(signalled, Task.Delay(_context.Options.BacklogPoll, _context.Time, next.Token));
                await next.CancelAsync();
                await ReconcileAsync(_stop);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                CoordinatorLog.LookFailed(_context.Logger, exception, _context.Options.BacklogPoll);
            }
        }
    }

    private async Task ReconcileAsync(CancellationToken cancellationToken)
    {
        var peers = _cluster.Peers;
        var roomsHaveGone = _rooms.SomeHaveGone();
        foreach (var owned in Owned())
        {
            if (roomsHaveGone)
                owned.Looks.Ask();
            // Without an incarnation it only pauses: nobody can have taken the work while the old one still counts.
            if (peers.Self != 0 && (owned.Token != peers.Self || !peers.IsFirstFor(WorkOf(owned.App))))
                _ = Leave(owned);
            else
                owned.Delivery.Resume();
            owned.Looks.Tick();
        }
        if (peers.Self == 0)
            return;
        await NotePeersAsync(cancellationToken);
        var apps = new HashSet<string>(StringComparer.Ordinal);
        lock (_lock)
        {
            apps.UnionWith(_wanted);
            _wanted.Clear();
        }
        // Alone, nobody else stores events: those of before are looked for once.
        var backlog = _backlogSeen && peers is SoleCoordinator ? [] : await _context.Events.BacklogAsync(cancellationToken);
        _backlogSeen = true;
        apps.UnionWith(backlog.Select(waiting => waiting.App));
        apps.UnionWith(_context.Apps.All.Where(PresenceContext.WantsPresence).Select(app => app.Id));
        await AddForgottenAsync(apps, cancellationToken);
        foreach (var app in apps)
        {
            if (peers.IsFirstFor(WorkOf(app)))
                await OwnAsync(app, cancellationToken);
        }
        foreach (var waiting in backlog)
            TryGet(waiting.App)?.Delivery.Wake();
    }

    private async Task NotePeersAsync(CancellationToken cancellationToken)
    {
        if (!await EnterAsync(cancellationToken))
            return;
        _dead.Note();
        _claiming.Release();
    }

    // Apps that do not want presence any more and have some stored: claimed too, so that it is forgotten by one process.
    private async Task AddForgottenAsync(HashSet<string> apps, CancellationToken cancellationToken)
    {
        var now = _context.Time.GetUtcNow();
        if (now < _forgetDue)
            return;
        foreach (var app in _context.Apps.All.Where(app => !PresenceContext.WantsPresence(app) && _cluster.Peers.IsFirstFor(WorkOf(app.Id))))
        {
            if ((await _presence.Facts.ListAsync(PresenceFact.SpaceOf(app.Id), "", 1, cancellationToken)).Count > 0)
                apps.Add(app.Id);
        }
        _forgetDue = now + _context.Options.PresenceKeepOffline;
    }
}
