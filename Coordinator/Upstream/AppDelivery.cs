using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// Owns the delivery of one app's events: which wait, which are in flight, which have to be tried again.
/// One loop touches all of its state; requests run beside it and hand their results back through <see cref="_completions"/>.
/// Disposed by its owner, see <see cref="Ownership.AppOwners"/>. While the process does not know that it still counts as alive it begins no
/// request; those in flight end, and what they delivered is removed.
/// </summary>
internal sealed class AppDelivery : IAsyncDisposable
{
    private const int MaxUnremoved = 1_000;

    private readonly string _app;
    private readonly DeliveryContext _context;
    private readonly Func<bool> _mayWork;
    private readonly CoordinatorOptions _options;
    private readonly RetryPolicy _retries, _pauses;
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly ConcurrentQueue<Completion> _completions = new();
    private readonly CancellationTokenSource _stopping = new(), _cutting = new();
    private readonly ITimer _timer;
    private readonly Task _loop;
    private readonly Queue<UserLane> _ready = new();
    private readonly PriorityQueue<UserLane, DateTimeOffset> _backingOff = new();
    private readonly Dictionary<string, WebhookEndpoint> _endpoints = new(StringComparer.Ordinal);
    // Delivered or given up, in that order, and not yet removed from the store. Removing in order means that after a crash a user's
    // events come again from some point on, never an older one alone.
    private readonly List<long> _finished = [];
    private EventWindow _window;
    private int _inFlight;
    private int _appended;
    private int _targetChanged;
    private bool _noTarget;
    private bool _paused;

    public AppDelivery(string app, DeliveryContext context, Func<bool> mayWork)
    {
        _app = app;
        _context = context;
        _mayWork = mayWork;
        _options = context.Options;
        _retries = new RetryPolicy(_options.RetryBase, _options.RetryCap);
        _pauses = new RetryPolicy(_options.RetryBase, _options.EndpointPauseCap < _options.RetryBase ? _options.RetryBase : _options.EndpointPauseCap);
        _window = NewWindow();
        _timer = context.Time.CreateTimer(static state => ((AppDelivery)state!).Signal(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _loop = Task.Run(RunAsync);
    }

    private readonly record struct Completion(UserLane Lane, WaitingEvent Event, WebhookEndpoint Endpoint, DeliveryResult Result);

    /// <summary>Events were stored. Any thread.</summary>
    public void Wake()
    {
        Volatile.Write(ref _appended, 1);
        Signal();
    }

    /// <summary>The app was changed: what waits for a usable or better webhook is tried at once. Any thread.</summary>
    public void TargetChanged()
    {
        Volatile.Write(ref _targetChanged, 1);
        Signal();
    }

    /// <summary>It may work again, if it could not. Any thread.</summary>
    public void Resume()
    {
        if (Volatile.Read(ref _paused))
            Signal();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Signal();
        await _loop;
        await _timer.DisposeAsync();
        _stopping.Dispose();
        _cutting.Dispose();
    }

    private void Signal() => _signal.Writer.TryWrite(true);

    private EventWindow NewWindow()
    {
        var window = new EventWindow(_app, _context.Events, _context.Metrics, _options.IndexedEventsPerApp, _options.WindowBytesPerApp);
        window.Appended();
        return window;
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await TurnsAsync(() => failures = 0);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
            }
            catch (Exception exception)
            {
                var pause = _retries.PauseAfter(++failures);
                if (exception is StoreUnavailableException)
                {
                    CoordinatorLog.QueueUnavailable(_context.Logger, exception, "delivering", _app, pause);
                }
                else
                {
                    CoordinatorLog.DeliveryFault(_context.Logger, exception, _app, pause);
                    await LandAllAsync();
                    Forget();
                }
                await WaitAsync(pause);
            }
        }
        await StopAsync();
    }

    /// <summary>After an error that we do not understand nothing in memory is trusted: what is stored is read again.</summary>
    private void Forget()
    {
        _ready.Clear();
        _backingOff.Clear();
        foreach (var endpoint in _endpoints.Values)
        {
            if (endpoint.Open)
                _context.Metrics.PausedEndpoints(-1);
        }
        _endpoints.Clear();
        _window.Clear();
        _window = NewWindow();
    }

    /// <summary>Waits for the requests in flight, each of which ends by its own timeout, or sooner when it is cut.</summary>
    private async Task LandAllAsync()
    {
        while (_inFlight > 0)
        {
            while (_completions.TryDequeue(out var completion))
                Landed(completion);
            if (_inFlight > 0)
                await _signal.Reader.ReadAsync(CancellationToken.None);
        }
    }

    private async Task TurnsAsync(Action healthy)
    {
        while (true)
        {
            while (_completions.TryDequeue(out var completion))
                Complete(completion);
            if (_finished.Count > 0)
                await RemoveAsync();
            if (Interlocked.Exchange(ref _targetChanged, 0) != 0)
                ReleaseAll();
            ReleaseDue();
            Volatile.Write(ref _paused, !_mayWork());
            if (Interlocked.Exchange(ref _appended, 0) != 0)
                _window.Appended();
            // Read until there is enough to do; what does not fit the requests in flight stays in the store.
            while (!_paused && _window.CanReadMore && _ready.Count < _options.InFlightPerApp)
                await _window.ReadPageAsync(_ready, _stopping.Token);
            while (!_paused && _inFlight < _options.InFlightPerApp && _finished.Count < MaxUnremoved && _ready.TryPeek(out var lane))
            {
                await DispatchAsync(lane);
                _ready.Dequeue();
                Volatile.Write(ref _paused, !_mayWork());
            }
            healthy();
            if (_finished.Count > 0 || ReleaseDue() || (!_paused && _window.CanReadMore && _inFlight < _options.InFlightPerApp))
                continue;
            SetTimer();
            await _signal.Reader.ReadAsync(_stopping.Token);
        }
    }

    /// <summary>Sends the lane's first event, or puts the lane where it has to wait. A store error leaves the lane as it was.</summary>
    private async ValueTask DispatchAsync(UserLane lane)
    {
        var head = lane.Events.Peek();
        var now = _context.Time.GetUtcNow();
        if (now - DateTimeOffset.FromUnixTimeMilliseconds(head.CreatedAt) > _options.GiveUpAge)
        {
            _context.Metrics.GivenUp.Add(1);
            CoordinatorLog.EventGivenUp(_context.Logger, head.Id, $"{_app}/{lane.User}", _options.GiveUpAge);
            Finish(lane, head);
            return;
        }
        if (_context.Apps.Find(_app) is not { Enabled: true, Webhook: { } webhook }
            || !Uri.TryCreate(EventTypes.UrlFor(webhook, head.Type), UriKind.Absolute, out var url) || (url.Scheme != "http" && url.Scheme != "https"))
        {
            if (!_noTarget)
                CoordinatorLog.NoTarget(_context.Logger, _app, _window.Count);
            _noTarget = true;
            BackOff(lane, head, now + _options.NoTargetRecheck);
            return;
        }
        _noTarget = false;
        var endpoint = EndpointFor(url);
        if (!endpoint.TryEnter(now))
        {
            _window.Release(head);
            endpoint.Waiting.Enqueue(lane);
            return;
        }
        ReadOnlyMemory<byte>? body;
        try
        {
            body = await _window.BodyAsync(head, _stopping.Token);
        }
        catch
        {
            endpoint.Abandon();
            throw;
        }
        if (body is null)
        {
            endpoint.Abandon();
            Finish(lane, head);
            return;
        }
        // Reading the body may have taken long: this is the last moment.
        if (!_mayWork())
        {
            endpoint.Abandon();
            _ready.Enqueue(lane);
            return;
        }
        _inFlight++;
        _context.Metrics.InFlight(1);
        _ = PostAsync(lane, head, endpoint, webhook, new QueuedEvent(head.Id, new UserKey(_app, lane.User), head.Type, head.CreatedAt, body.Value));
    }

    // Not awaited by the loop, but counted: the loop does not end before every request has handed back its completion.
    private async Task PostAsync(UserLane lane, WaitingEvent head, WebhookEndpoint endpoint, WebhookSettings webhook, QueuedEvent item)
    {
        var started = _context.Time.GetTimestamp();
        var result = await _context.Client.PostAsync(endpoint.Url, webhook, item, _cutting.Token);
        _context.Metrics.DeliveryDuration.Record(_context.Time.GetElapsedTime(started).TotalSeconds);
        _context.Metrics.Deliveries.Add(1, new KeyValuePair<string, object?>("result", result.Outcome.ToString()));
        _completions.Enqueue(new Completion(lane, head, endpoint, result));
        Signal();
    }

    private void Landed(in Completion completion)
    {
        _inFlight--;
        _context.Metrics.InFlight(-1);
        if (completion.Result.Outcome == DeliveryOutcome.Delivered)
            _finished.Add(completion.Event.Id);
    }

    private void Complete(in Completion completion)
    {
        Landed(completion);
        var (lane, head, endpoint, result) = completion;
        var now = _context.Time.GetUtcNow();
        switch (result.Outcome)
        {
            case DeliveryOutcome.Delivered:
                if (endpoint.Succeeded())
                {
                    _context.Metrics.PausedEndpoints(-1);
                    CoordinatorLog.EndpointRecovered(_context.Logger, _app, endpoint.Url.ToString());
                }
                while (endpoint.Waiting.TryDequeue(out var waiting))
                    _ready.Enqueue(waiting);
                if (_window.Finish(lane))
                    _ready.Enqueue(lane);
                break;
            case DeliveryOutcome.Stopped:
                endpoint.Abandon();
                _ready.Enqueue(lane);
                break;
            default:
                var retryAfter = result.RetryAfter > _options.RetryAfterCap ? _options.RetryAfterCap : result.RetryAfter;
                var wasOpen = endpoint.Open;
                var pause = result.Outcome == DeliveryOutcome.Gone
                    ? endpoint.Pause(now, _options.GonePause)
                    : endpoint.Failed(lane.User, retryAfter, now);
                if (pause is { } length && !wasOpen)
                {
                    _context.Metrics.PausedEndpoints(1);
                    CoordinatorLog.EndpointPaused(_context.Logger, _app, endpoint.Url.ToString(), result.Reason, length);
                }
                var delay = _retries.PauseAfter(++lane.Failures);
                if (retryAfter > delay)
                    delay = retryAfter.Value;
                CoordinatorLog.DeliveryFailed(
                    _context.Logger, head.Id, $"{_app}/{lane.User}", endpoint.Url.ToString(), lane.Failures, result.Reason, delay);
                BackOff(lane, head, now + delay);
                break;
        }
    }

    private void Finish(UserLane lane, WaitingEvent head)
    {
        _finished.Add(head.Id);
        if (_window.Finish(lane))
            _ready.Enqueue(lane);
    }

    private void BackOff(UserLane lane, WaitingEvent head, DateTimeOffset until)
    {
        _window.Release(head);
        _backingOff.Enqueue(lane, until);
    }

    private async Task RemoveAsync()
    {
        await _context.Events.RemoveAsync(_app, [.. _finished], _stopping.Token);
        _finished.Clear();
    }

    private WebhookEndpoint EndpointFor(Uri url)
    {
        if (_endpoints.TryGetValue(url.AbsoluteUri, out var endpoint))
            return endpoint;
        // An app's URLs change seldom; those that nobody waits for and that are healthy carry nothing worth keeping.
        if (_endpoints.Count >= 64)
        {
            foreach (var idle in _endpoints.Where(pair => pair.Value is { Open: false, Waiting.Count: 0 }).ToArray())
                _endpoints.Remove(idle.Key);
        }
        endpoint = new WebhookEndpoint(url, _options.EndpointFailureUsers, _pauses);
        _endpoints.Add(url.AbsoluteUri, endpoint);
        return endpoint;
    }

    private void ReleaseAll()
    {
        while (_backingOff.TryDequeue(out var lane, out _))
            _ready.Enqueue(lane);
        foreach (var endpoint in _endpoints.Values)
        {
            while (endpoint.Waiting.TryDequeue(out var lane))
                _ready.Enqueue(lane);
        }
    }

    /// <summary>Makes ready what has waited long enough; true when there was something.</summary>
    private bool ReleaseDue()
    {
        var released = false;
        var now = _context.Time.GetUtcNow();
        while (_backingOff.TryPeek(out var lane, out var due) && due <= now)
        {
            _backingOff.Dequeue();
            _ready.Enqueue(lane);
            released = true;
        }
        foreach (var endpoint in _endpoints.Values)
        {
            // One is enough: it becomes the probe.
            if (endpoint.WantsProbe(now) && endpoint.Waiting.TryDequeue(out var lane))
            {
                _ready.Enqueue(lane);
                released = true;
            }
        }
        return released;
    }

    private void SetTimer()
    {
        DateTimeOffset? next = _backingOff.TryPeek(out _, out var due) ? due : null;
        var now = _context.Time.GetUtcNow();
        foreach (var endpoint in _endpoints.Values)
        {
            if (endpoint.Open && endpoint.Waiting.Count > 0 && endpoint.PausedUntil > now && (next is null || endpoint.PausedUntil < next))
                next = endpoint.PausedUntil;
        }
        var wait = next is { } time ? time - now : Timeout.InfiniteTimeSpan;
        _timer.Change(next is null ? wait : wait < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : wait, Timeout.InfiniteTimeSpan);
    }

    private async Task WaitAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, _context.Time, _stopping.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task StopAsync()
    {
        using (var wait = new CancellationTokenSource(_options.StopWait, _context.Time))
        using (wait.Token.Register(_cutting.Cancel))
            await LandAllAsync();
        Forget();
        if (_finished.Count == 0)
            return;
        try
        {
            using var limit = new CancellationTokenSource(_options.StopWait, _context.Time);
            await _context.Events.RemoveAsync(_app, [.. _finished], limit.Token);
        }
        catch (Exception exception) when (exception is StoreUnavailableException or OperationCanceledException)
        {
            // They stay stored and are delivered once more: at least once is the promise.
            CoordinatorLog.QueueUnavailable(_context.Logger, exception, "stopping", _app, TimeSpan.Zero);
        }
    }
}
