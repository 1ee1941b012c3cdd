using System.Globalization;
using Spectre.Console;

namespace PushSystem.Loadtest.Reports;

/// <summary>Prints a report for people and writes it for programs. Static.</summary>
internal static class ReportWriter
{
    /// <summary>The final table, the notes and the verdict.</summary>
    public static void Print(IAnsiConsole console, RunReport report)
    {
        var table = new Table().Border(TableBorder.Rounded).Title($"[bold]{Markup.Escape(report.Scenario)}[/]");
        table.AddColumn("metric");
        table.AddColumn(new TableColumn("value").RightAligned());
        foreach (var (name, value) in report.Metrics)
            table.AddRow(Markup.Escape(name), Format(value));
        console.Write(table);
        foreach (var (text, count) in report.Notes)
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  {count:N0} × {text}");
        foreach (var error in report.Errors)
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[red]{error}[/]");
        console.MarkupLine(report.Ok ? "[green]ok[/]" : "[red]FAILED[/]");
    }

    /// <summary>Writes the JSON beside its place first, so that a reader never sees half a file.</summary>
    public static async Task SaveAsync(string file, RunReport report, CancellationToken cancellationToken)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(file))!;
        Directory.CreateDirectory(directory);
        var temporary = Path.Combine(directory, Path.GetRandomFileName());
        await File.WriteAllBytesAsync(temporary, report.ToJson(), cancellationToken);
        File.Move(temporary, file, overwrite: true);
    }

    internal static string Format(double value) =>
        value.ToString(Math.Abs(value) >= 1_000 || value == Math.Floor(value) ? "N0" : "N3", CultureInfo.InvariantCulture);
}
