using Spectre.Console;

namespace PushSystem.Loadtest.Reports;

/// <summary>What the live view shows: the phase and named values, already in words.</summary>
internal sealed record LiveSample(string Phase, IReadOnlyList<(string Name, string Value)> Values);

/// <summary>
/// Shows progress while a scenario runs: a table that refreshes itself on a terminal, a plain line each second elsewhere. Started
/// and stopped by the scenario runner; the sample function is called on the view's task.
/// </summary>
internal sealed class LiveView : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _task;

    public LiveView(IAnsiConsole console, bool plain, Func<LiveSample> sample, TimeProvider time)
    {
        var started = time.GetTimestamp();
        _task = plain || !console.Profile.Capabilities.Interactive
            ? Task.Run(() => LinesAsync(console, sample, started, time))
            : Task.Run(() => TableAsync(console, sample, started, time));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _task;
        _stopping.Dispose();
    }

    private async Task LinesAsync(IAnsiConsole console, Func<LiveSample> sample, long started, TimeProvider time)
    {
        while (await PauseAsync(TimeSpan.FromSeconds(1), time))
        {
            var now = sample();
            var values = string.Join("  ", now.Values.Select(item => $"{item.Name} {item.Value}"));
            // Not through the console's layout: a line stays one line however narrow a pipe claims to be.
            console.Profile.Out.Writer.WriteLine($"{time.GetElapsedTime(started).TotalSeconds,5:0} s  {now.Phase}  {values}");
        }
    }

    private Task TableAsync(IAnsiConsole console, Func<LiveSample> sample, long started, TimeProvider time) =>
        console.Live(Render(sample(), TimeSpan.Zero)).AutoClear(true).StartAsync(async context =>
        {
            while (await PauseAsync(TimeSpan.FromMilliseconds(250), time))
            {
                context.UpdateTarget(Render(sample(), time.GetElapsedTime(started)));
                context.Refresh();
            }
        });

    private static Table Render(LiveSample sample, TimeSpan elapsed)
    {
        var table = new Table().Border(TableBorder.Rounded).Title($"[bold]{Markup.Escape(sample.Phase)}[/]  {elapsed.TotalSeconds:0} s");
        foreach (var (name, _) in sample.Values)
            table.AddColumn(new TableColumn(Markup.Escape(name)).RightAligned());
        table.AddRow([.. sample.Values.Select(item => Markup.Escape(item.Value))]);
        return table;
    }

    private async Task<bool> PauseAsync(TimeSpan pause, TimeProvider time)
    {
        try
        {
            await Task.Delay(pause, time, _stopping.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
