using System.Net;

namespace PushSystem.Loadtest.Clients;

/// <summary>
/// Owns the loops and spreads the clients over them.
/// Called by the scenario's thread; the counts may be read from any thread.
/// Disposed by the scenario: every connection is closed.
/// </summary>
internal sealed class ClientFleet : IDisposable
{
    private readonly ClientSettings _settings;
    private readonly TimeProvider _time;

    public ClientFleet(ClientSettings settings, IPushSink sink, Func<int, ReadOnlyMemory<byte>> tickets, TimeProvider time)
    {
        (_settings, _time) = (settings, time);
        Loops = [.. Enumerable.Range(0, settings.Loops).Select(i => new ClientLoop(i, settings, sink, tickets, time))];
    }

    /// <summary>The loops.</summary>
    public IReadOnlyList<ClientLoop> Loops { get; }

    /// <summary>Sum of a count over the loops.</summary>
    public long Sum(Func<LoopStats, long> count) => Loops.Sum(loop => count(loop.Stats));

    /// <summary>Starts all clients, at most so many in a second (0 = at once). Returns when the last one was started.</summary>
    public async Task StartAllAsync(int perSecond, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        var next = 0;
        while (next < _settings.Clients)
        {
            var allowed = perSecond == 0 ? _settings.Clients
                : (int)Math.Min(_settings.Clients, (_time.GetElapsedTime(started).TotalSeconds * perSecond) + 1);
            for (; next < allowed; next++)
                Loops[next % Loops.Count].Start(next);
            if (next < _settings.Clients)
                await Task.Delay(TimeSpan.FromMilliseconds(5), _time, cancellationToken);
        }
    }

    /// <summary>Waits until every client is online or has ended for good, or the time is over; true when all are online.</summary>
    public async Task<bool> WaitOnlineAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        while (true)
        {
            var online = Sum(stats => Volatile.Read(ref stats.Online));
            if (online == _settings.Clients)
                return true;
            if (online + Sum(stats => Volatile.Read(ref stats.Ended)) >= _settings.Clients || _time.GetElapsedTime(started) > limit
                || Loops.Any(loop => loop.Fault is not null))
                return false;
            await Task.Delay(TimeSpan.FromMilliseconds(20), _time, cancellationToken);
        }
    }

    /// <summary>
    /// The local addresses to use: the system's choice while one address has ports enough, else 127.0.0.2 and up when all rooms
    /// are on loopback.
    /// </summary>
    public static IReadOnlyList<IPAddress> SourcesFor(int clients, IReadOnlyList<IPEndPoint> rooms)
    {
        const int portsPerAddress = 25_000;
        if (clients <= portsPerAddress || !rooms.All(room => room.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && IPAddress.IsLoopback(room.Address)))
            return [];
        return [.. Enumerable.Range(2, (clients + portsPerAddress - 1) / portsPerAddress).Select(i => new IPAddress([127, 0, 0, (byte)i]))];
    }

    public void Dispose()
    {
        foreach (var loop in Loops)
            loop.Dispose();
    }
}
