using PushSystem.Protocol;

namespace PushSystem.Client.Routing;

/// <summary>The addresses of one round, in the order to try them; with the reason when the dispatcher had none.</summary>
internal readonly record struct RoutePlan(IReadOnlyList<RoomEndpoint> Candidates, TimeSpan RetryAfter, string Detail);

/// <summary>
/// Where to connect next: first the room of a session to resume and what a GOAWAY named; then the known list while it is fresh, else
/// the dispatcher's answer, else the old list; then the fixed addresses. Addresses that failed lately come last.
/// Owns the known list and what failed; used by the connection loop only; disposed with the client.
/// </summary>
internal sealed class RouteTable(ClientContext context, BackOff backOff) : IDisposable
{
    private const int MaxFailed = 64;
    private static readonly TimeSpan FailedFor = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan MaxTtl = TimeSpan.FromDays(7);

    private readonly DispatcherClient? _dispatcher = context.Options.Dispatcher is null ? null : new DispatcherClient(context.Options);
    private readonly List<RoomEndpoint> _fixed = Parse(context.Options.Addresses);
    private readonly Dictionary<RoomEndpoint, long> _failed = [];
    private List<RoomEndpoint> _known = Parse(context.Store.Addresses.Items);
    private DateTimeOffset _knownUntil = context.Store.Addresses.ExpiresAt;
    private List<RoomEndpoint> _named = [];

    /// <summary>Addresses to try before anybody is asked; each is given once.</summary>
    public IReadOnlyList<RoomEndpoint> TakePreferred(RoomEndpoint? resumeAt)
    {
        var preferred = new List<RoomEndpoint>();
        if (resumeAt is not null)
            preferred.Add(resumeAt);
        preferred.AddRange(_named);
        _named = [];
        return preferred;
    }

    /// <summary>The addresses of one round; asks the dispatcher when the known list is too old or failed as a whole.</summary>
    public async Task<RoutePlan> PlanAsync(string app, string user, CancellationToken cancellationToken)
    {
        var retryAfter = TimeSpan.Zero;
        var detail = "";
        var fresh = _known.Count > 0 && context.Time.GetUtcNow() < _knownUntil && !_known.TrueForAll(HasFailed);
        if (!fresh && _dispatcher is not null)
        {
            var reply = await _dispatcher.AskAsync(app, user, [.. _failed.Keys.Where(HasFailed)], cancellationToken);
            if (reply.Answer is not { } answer || !Take(answer))
            {
                retryAfter = reply.RetryAfter;
                detail = reply.Detail.Length > 0 ? reply.Detail : "the dispatcher answered without a usable address";
                context.OnError(new ClientError(ClientErrorKind.Dispatcher, detail, reply.Exception));
            }
        }
        var distinct = _known.Concat(_fixed).Distinct().ToList();
        // Stable: those that failed keep their order behind the others.
        return new RoutePlan([.. distinct.OrderBy(HasFailed).Take(ProtocolLimits.MaxAddresses)], retryAfter, detail);
    }

    /// <summary>An attempt at the address did not get as far as a login.</summary>
    public void Failed(RoomEndpoint endpoint)
    {
        if (_failed.Count >= MaxFailed)
            _failed.Clear();
        _failed[endpoint] = context.Time.GetTimestamp();
    }

    /// <summary>A login worked there; takes the server's own list if it told one.</summary>
    public void Succeeded(RoomEndpoint endpoint, SessionSettings settings)
    {
        _failed.Remove(endpoint);
        var told = Parse(settings.Addresses);
        if (told.Count > 0 && settings.AddressTtlSeconds > 0)
            Remember(told, settings.AddressTtlSeconds);
    }

    /// <summary>
    /// The server at <paramref name="from"/> sent the client away: the addresses it named come next. When it moves its clients elsewhere,
    /// its own address is avoided, and without named ones the dispatcher is asked anew.
    /// </summary>
    public void SentAway(RoomEndpoint from, ReasonCode reason, IReadOnlyList<string> addresses)
    {
        _named = Parse(addresses);
        if (reason is not (ReasonCode.Draining or ReasonCode.GroupSwitched))
            return;
        Failed(from);
        if (_named.Count == 0)
            _knownUntil = DateTimeOffset.MinValue;
    }

    /// <inheritdoc/>
    public void Dispose() => _dispatcher?.Dispose();

    private bool HasFailed(RoomEndpoint endpoint) =>
        _failed.TryGetValue(endpoint, out var at) && context.Time.GetElapsedTime(at) < FailedFor;

    private bool Take(RouteAnswer answer)
    {
        var list = new List<RoomEndpoint>();
        foreach (var address in answer.Addresses!)
        {
            if (address is not null && list.Count < ProtocolLimits.MaxAddresses
                && RoomEndpoint.TryCreate(address.Host?.Trim('[', ']'), address.Port, out var endpoint))
            {
                list.Add(endpoint);
            }
        }
        if (answer.Backoff is { } hint)
        {
            backOff.Configure(TimeSpan.FromMilliseconds(hint.BaseMilliseconds), TimeSpan.FromMilliseconds(hint.CapMilliseconds),
                TimeSpan.FromSeconds(hint.ResetSeconds));
        }
        if (list.Count == 0)
            return false;
        Remember(list, answer.TtlSeconds);
        return true;
    }

    private void Remember(List<RoomEndpoint> list, int ttlSeconds)
    {
        var ttl = TimeSpan.FromSeconds(Math.Max(0, ttlSeconds));
        _known = list;
        _knownUntil = context.Time.GetUtcNow() + (ttl > MaxTtl ? MaxTtl : ttl);
        context.Store.SetAddresses([.. list.Select(e => e.ToString())], _knownUntil);
        context.TryFlushStore(toDisk: false);
    }

    private static List<RoomEndpoint> Parse(IReadOnlyList<string> texts)
    {
        var list = new List<RoomEndpoint>();
        foreach (var text in texts)
        {
            if (RoomEndpoint.TryParse(text, out var endpoint))
                list.Add(endpoint);
        }
        return list;
    }
}
