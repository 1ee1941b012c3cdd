using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Dispatcher.Routes;

/// <summary>
/// The current view of the rooms, made anew when it is asked for and too old, or made for other settings.
/// Owns the last view; any thread; nothing to dispose.
/// </summary>
internal sealed class RouteTableSource
{
    private readonly IRoomDirectory _rooms;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private volatile View? _view;

    public RouteTableSource(
        IRoomDirectory rooms, DispatcherSettings settings, DispatcherMetrics metrics, TimeProvider time, ILogger<RouteTableSource> logger)
    {
        (_rooms, _time, _logger) = (rooms, time, logger);
        metrics.WatchRooms(() => Current(settings.Current).Routes.Length);
    }

    /// <summary>The view for these settings.</summary>
    public RouteTable Current(DispatcherSnapshot settings)
    {
        var view = _view;
        if (view is not null && view.Settings == settings && _time.GetElapsedTime(view.MadeAt) < settings.Options.ViewAge)
            return view.Table;
        var rooms = _rooms.Rooms;
        var made = new View(RouteTable.From(rooms, settings), settings, _time.GetTimestamp());
        // Two threads may both make one: they are equal, but the change is told once.
        if (Interlocked.CompareExchange(ref _view, made, view) == view)
            TellChange(view, made, rooms.Count);
        return made.Table;
    }

    private void TellChange(View? before, View now, int known)
    {
        var count = now.Table.Routes.Length;
        if (before is not null && before.Table.Routes.Length == count && before.Settings.Options.ActiveGroup == now.Settings.Options.ActiveGroup)
            return;
        if (count == 0)
            DispatcherLog.NoRooms(_logger, now.Settings.Options.ActiveGroup, known);
        else
            DispatcherLog.Rooms(_logger, now.Settings.Options.ActiveGroup, count);
    }

    private sealed record View(RouteTable Table, DispatcherSnapshot Settings, long MadeAt);
}
