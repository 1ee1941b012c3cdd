using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace PushSystem.Pushctl;

/// <summary>Results as tables for people or as JSON for programs. One thread.</summary>
internal sealed class Output(Surroundings surroundings, bool isJson)
{
    // Wide enough for any table when nobody looks at a terminal.
    private const int WithoutTerminal = 400;

    private static readonly JsonSerializerOptions Indented =
        new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>JSON was asked for.</summary>
    public bool IsJson => isJson;

    /// <summary>A line of a result.</summary>
    public void Line(string text) => surroundings.Output.WriteLine(text);

    /// <summary>A line about the result.</summary>
    public void Note(string text) => surroundings.Error.WriteLine(text);

    /// <summary>A table, or the same as JSON.</summary>
    public void List<T>(IReadOnlyList<T> items, params (string Title, Func<T, string> Cell)[] columns)
    {
        if (isJson)
        {
            Json(items);
            return;
        }
        var table = new Table { Border = TableBorder.Simple };
        foreach (var (title, _) in columns)
            table.AddColumn(new TableColumn(Markup.Escape(title)).NoWrap());
        // What comes from etcd may hold anything, control characters included.
        foreach (var item in items)
            table.AddRow([.. columns.Select(column => new Text(Clean(column.Cell(item))))]);
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(surroundings.Output),
        });
        console.Profile.Width = surroundings.Width > 0 ? surroundings.Width : WithoutTerminal;
        console.Write(table);
    }

    /// <summary>A value as JSON.</summary>
    public void Json<T>(T value) => Line(JsonSerializer.Serialize(value, Indented));

    private static string Clean(string text) => string.Concat(text.Select(character => char.IsControl(character) ? '?' : character));
}
