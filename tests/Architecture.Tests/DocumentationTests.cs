using System.Text.RegularExpressions;
using Xunit;

namespace PushSystem.Architecture.Tests;

/// <summary>Documents name real files, and metrics and links in them exist.</summary>
public sealed partial class DocumentationTests
{
    public static TheoryData<string> Documents => [.. Repository.Files("*.md").Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_file_named_in_a_document_exists(string document)
    {
        var text = Repository.Read(document);
        foreach (Match match in PathInBackticks().Matches(text))
        {
            var path = match.Groups[1].Value;
            Assert.True(
                File.Exists(Path.Combine(Repository.Root, path)) || Directory.Exists(Path.Combine(Repository.Root, path)),
                $"{document} names `{path}`, which does not exist");
        }
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_relative_link_leads_somewhere(string document)
    {
        var folder = Path.GetDirectoryName(Path.Combine(Repository.Root, document))!;
        foreach (Match match in MarkdownLink().Matches(Repository.Read(document)))
        {
            var target = match.Groups[1].Value.Split('#')[0];
            if (target.Length == 0 || target.Contains("://", StringComparison.Ordinal) || target.StartsWith("mailto:", StringComparison.Ordinal))
                continue;
            var path = Path.Combine(folder, target);
            Assert.True(File.Exists(path) || Directory.Exists(path), $"{document} links to {target}, which does not exist");
        }
    }

    [Fact]
    public void The_rule_sees_a_path_in_backticks() =>
        Assert.Equal("Room/Nowhere/Nothing.cs", PathInBackticks().Match("see `Room/Nowhere/Nothing.cs`.").Groups[1].Value);

    [GeneratedRegex(@"`((?:Shared|Dispatcher|Room|Register|Coordinator|Saver|Center|Client|Standalone|loadtest|tests|docs|deploy)/[A-Za-z0-9_./-]+\.(?:cs|md|sql|csproj|sh))`")]
    private static partial Regex PathInBackticks();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex MarkdownLink();
}
