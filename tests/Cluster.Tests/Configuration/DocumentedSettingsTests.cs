using PushSystem.Cluster.Configuration;

namespace PushSystem.Cluster.Tests.Configuration;

/// <summary>docs/configuration.md says of every setting what is true.</summary>
public sealed class DocumentedSettingsTests
{
    private static readonly string[] Lines = File.ReadAllLines(Path.Combine(Root(), "docs", "configuration.md"));

    [Fact]
    public void Every_setting_is_documented_with_its_bounds_and_whether_it_is_hot()
    {
        foreach (var (section, property) in ConfigurationSchema.Sections)
        {
            var rows = Lines.SkipWhile(line => line != $"### {section}").Skip(1).TakeWhile(line => !line.StartsWith('#')).Where(line => line.StartsWith("| `", StringComparison.Ordinal))
                .Select(line => line.Split('|', StringSplitOptions.TrimEntries)).ToDictionary(cells => cells[1].Trim('`'));
            var settings = ConfigurationSchema.Of(property.PropertyType);
            Assert.Equal(settings.Select(setting => setting.Name).Order(StringComparer.Ordinal), rows.Keys.Order(StringComparer.Ordinal));
            foreach (var setting in settings)
            {
                var (allowed, change) = (rows[setting.Name][3], rows[setting.Name][4]);
                Assert.True((setting.Limits.NeedsRestart ? "after restart" : "hot") == change, $"{section}.{setting.Name} is not '{change}'");
                if (setting.Range is not null)
                    Assert.True(allowed == setting.Range + (setting.Limits.WholeSeconds ? ", whole seconds" : ""), $"{section}.{setting.Name}: {setting.Range} and not {allowed}");
                if (setting.IsList)
                    Assert.Equal($"list, at most {setting.Limits.MaxItems}", allowed);
            }
        }
    }

    [Fact]
    public void The_example_is_a_valid_document()
    {
        var example = Lines.SkipWhile(line => line != "```yaml").Skip(1).TakeWhile(line => line != "```").ToArray();
        Assert.Equal("eu", ClusterConfiguration.Parse(string.Join('\n', example)).Dispatcher.Networks![0].Region);
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PushSystem.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("PushSystem.sln was not found above the test's folder");
    }
}
