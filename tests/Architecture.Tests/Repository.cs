using System.Xml.Linq;

namespace PushSystem.Architecture.Tests;

/// <summary>The repository's files as the tests see them: found from the test's own folder upwards.</summary>
internal static class Repository
{
    public static readonly string Root = FindRoot();

    /// <summary>Every project file, as a path relative to the root with forward slashes.</summary>
    public static IReadOnlyList<string> Projects { get; } =
        [.. Files("*.csproj").Order(StringComparer.Ordinal)];

    /// <summary>Files below the root that are not build output.</summary>
    public static IEnumerable<string> Files(string pattern) =>
        Directory.EnumerateFiles(Root, pattern, SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj" or ".git" or "node_modules" or "data"));

    public static string Read(string relative) => File.ReadAllText(Path.Combine(Root, relative));

    /// <summary>The projects that a project references, relative to the root.</summary>
    public static IEnumerable<string> References(string project)
    {
        var folder = Path.GetDirectoryName(Path.Combine(Root, project))!;
        return XDocument.Parse(Read(project)).Descendants("ProjectReference")
            .Select(element => Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(folder, element.Attribute("Include")!.Value))).Replace('\\', '/'));
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PushSystem.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("PushSystem.sln was not found above the test's folder");
    }
}
