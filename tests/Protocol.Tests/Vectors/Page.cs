namespace PushSystem.Protocol.Tests.Vectors;

/// <summary>A Markdown page of the repository, read as headings with tables below them.</summary>
internal sealed class Page
{
    private readonly string[] _lines;
    private readonly string _name;

    private Page(string name, string[] lines)
    {
        _name = name;
        _lines = lines;
    }

    public static Page Vectors { get; } = Load("docs/protocol-vectors.md");

    public static Page Specification { get; } = Load("docs/protocol.md");

    /// <summary>Rows of the first table below a heading, each as its cells without backticks. Fails when there are none.</summary>
    public IReadOnlyList<string[]> Table(string heading)
    {
        var start = Array.FindIndex(_lines, line => line.StartsWith('#') && line.TrimStart('#').Trim() == heading);
        if (start < 0)
            throw new InvalidOperationException($"{_name} has no heading '{heading}'");
        var rows = _lines.Skip(start + 1)
            .TakeWhile(line => !line.StartsWith('#'))
            .SkipWhile(line => !line.StartsWith('|'))
            .TakeWhile(line => line.StartsWith('|'))
            .Skip(2)
            .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim().Trim('`')).ToArray())
            .ToList();
        return rows.Count > 0 ? rows : throw new InvalidOperationException($"{_name} has no table below '{heading}'");
    }

    private static Page Load(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Directory.Packages.props")))
                return new Page(name, File.ReadAllLines(Path.Combine(folder.FullName, name)));
        }
        throw new InvalidOperationException("the repository's root was not found above the test's folder");
    }
}
