using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Dispatcher.Routes;

/// <summary>
/// The current view of the rooms, made anew when it is asked for and too old.
/// Owns the last view; any thread; nothing to dispose.
/// </summary>
internal sealed class RouteTableSource
{
    private readonly IRoomDirectory _rooms;
    private readonly DispatcherOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private volatile View? _view;

    public RouteTableSource(
        IRoomDirectory rooms, DispatcherOptions options, DispatcherMetrics metrics, TimeProvider time, ILogger<RouteTableSource> logger)
    {
        (_rooms, _options, _time, _logger) = (rooms, options, time, logger);
        metrics.WatchRooms(() => Current.Routes.Count);
    }

    public RouteTable Current
    {
        get
        {
            var view = _view;
            if (view is not null && _time.GetElapsedTime(view.MadeAt) < _options.ViewAge)
                return view.Table;
            var rooms = _rooms.Rooms;
            var made = new View(RouteTable.From(rooms, _options), _time.GetTimestamp());
            // Two threads may both make one: they are equal, but the change is told once.
            if (Interlocked.CompareExchange(ref _view, made, view) == view)
                TellChange(view, made, rooms.Count);
            return made.Table;
        }
    }

    private void TellChange(View? before, View now, int known)
    {
        var count = now.Table.Routes.Count;
        if (before is not null && before.Table.Routes.Count == count)
            return;
        if (count == 0)
            DispatcherLog.NoRooms(_logger, _options.ActiveGroup, known);
        else
            DispatcherLog.Rooms(_logger, _options.ActiveGroup, count);
    }

    private sealed record View(RouteTable Table, long MadeAt);
}
