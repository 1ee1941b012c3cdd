using System.Reflection;
using System.Text;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Makes a configuration of a document. Every error names the path, the line, the value and what is allowed; all of them are told at
/// once (up to a bound). One instance per document.
/// </summary>
internal sealed class ConfigurationReader
{
    private const int MaxErrors = 100;

    private readonly List<ConfigurationError> _errors = [];

    private ConfigurationReader()
    {
    }

    /// <summary>The configuration. Throws <see cref="ConfigurationException"/>.</summary>
    public static ClusterConfiguration Read(string yaml)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        var reader = new ConfigurationReader();
        var configuration = reader.ReadRoot(YamlTree.Read(yaml, reader._errors));
        // Rules over several settings would only repeat what is wrong with a single one.
        if (reader._errors.Count == 0)
            reader.CheckSections(configuration);
        return reader._errors.Count == 0 ? configuration : throw new ConfigurationException(reader._errors);
    }

    private ClusterConfiguration ReadRoot(YamlNode? root)
    {
        var configuration = new ClusterConfiguration();
        if (root is null or YamlScalar { IsNull: true })
            return configuration;
        if (root is not YamlMap map)
        {
            Fail("", root, $"the document must be a map of sections ({Names(ConfigurationSchema.Sections.Select(section => section.Name))})");
            return configuration;
        }
        foreach (var (key, value) in map.Members)
        {
            var property = ConfigurationSchema.Sections.FirstOrDefault(section => section.Name == key).Property;
            if (property is null)
                Fail(SettingPath.Shown(key), value, $"is not known; sections are {Names(ConfigurationSchema.Sections.Select(section => section.Name))}");
            else if (value is YamlMap members)
                property.SetValue(configuration, ReadObject(property.PropertyType, members, key));
            else if (value is not YamlScalar { IsNull: true })
                Fail(key, value, "must be a map of settings");
        }
        return configuration;
    }

    private object ReadObject(Type type, YamlMap map, string path)
    {
        var result = Activator.CreateInstance(type)!;
        var settings = ConfigurationSchema.Of(type);
        foreach (var (key, value) in map.Members)
        {
            if (_errors.Count >= MaxErrors)
                break;
            var setting = settings.FirstOrDefault(setting => setting.Name == key);
            if (setting is null)
                Fail(SettingPath.Shown($"{path}.{key}"), value, Unknown(key, settings));
            else if (Value(setting, value, $"{path}.{key}") is { } read)
                setting.Property.SetValue(result, read);
        }
        foreach (var setting in settings)
        {
            if (setting.Limits.Required && map.Members.All(member => member.Key != setting.Name))
                Fail($"{path}.{setting.Name}", map, "is missing");
        }
        return result;
    }

    private object? Value(SettingInfo setting, YamlNode node, string path)
    {
        if (node is YamlScalar { IsNull: true })
        {
            Fail(path, node, "has no value; leave the line out to keep the default");
            return null;
        }
        if (!setting.IsList)
            return Scalar(setting, node, path);
        if (node is not YamlList list)
        {
            Fail(path, node, "must be a list");
            return null;
        }
        if (list.Items.Count > setting.Limits.MaxItems)
        {
            Fail(path, node, $"has {list.Items.Count} items, at most {setting.Limits.MaxItems} are allowed");
            return null;
        }
        var items = Array.CreateInstance(setting.ValueType, list.Items.Count);
        for (var i = 0; i < list.Items.Count && _errors.Count < MaxErrors; i++)
        {
            var item = $"{path}[{i}]";
            if (!setting.IsObject)
                items.SetValue(Scalar(setting, list.Items[i], item), i);
            else if (list.Items[i] is YamlMap map)
                items.SetValue(ReadObject(setting.ValueType, map, item), i);
            else
                Fail(item, list.Items[i], $"must be a map of {Names(ConfigurationSchema.Of(setting.ValueType).Select(member => member.Name))}");
        }
        return items;
    }

    private object? Scalar(SettingInfo setting, YamlNode node, string path)
    {
        if (node is not YamlScalar scalar)
        {
            SettingText.Read(setting.ValueType, "", setting.Limits.Bytes, out var what);
            Fail(path, node, $"must be {what}, not a {(node is YamlList ? "list" : "map")}");
            return null;
        }
        var value = SettingText.Read(setting.ValueType, scalar.Text, setting.Limits.Bytes, out var expected);
        if (value is null)
            Fail(path, node, $"{SettingText.Show(scalar.Text)} is not {expected}{(setting.Range is null ? "" : $" ({setting.Range})")}");
        else if (!IsAllowed(setting, value, out var limit))
            Fail(path, node, $"{SettingText.Show(scalar.Text)} is out of range: {limit}");
        else
            return value;
        return null;
    }

    private static bool IsAllowed(SettingInfo setting, object value, out string limit)
    {
        limit = "";
        if (setting.Least is not null && (setting.Least.CompareTo(value) > 0 || setting.Most!.CompareTo(value) < 0))
            limit = $"{setting.Range} is allowed";
        else if (setting.Limits.WholeSeconds && value is TimeSpan span && span.Ticks % TimeSpan.TicksPerSecond != 0)
            limit = "only whole seconds are allowed";
        else if (value is string text && (Encoding.UTF8.GetByteCount(text) > setting.Limits.MaxBytes || text.Any(char.IsControl)))
            limit = $"at most {setting.Limits.MaxBytes} bytes of UTF-8 without control characters are allowed";
        else if (value is string { Length: 0 } && setting.IsList)
            limit = "at least one character is needed";
        return limit.Length == 0;
    }

    private void CheckSections(ClusterConfiguration configuration)
    {
        foreach (var (name, property) in ConfigurationSchema.Sections)
        {
            if (property.GetValue(configuration) is ISection section)
                section.Check(new SectionCheck(name, _errors));
        }
    }

    private void Fail(string path, YamlNode at, string problem)
    {
        if (_errors.Count < MaxErrors)
            _errors.Add(new ConfigurationError(path, at.Line, problem));
    }

    // Whoever mistypes a name wants to see the one that was meant.
    private static string Unknown(string key, IReadOnlyList<SettingInfo> settings)
    {
        var near = settings.Select(setting => setting.Name).MinBy(name => Distance(key, name));
        return near is not null && Distance(key, near) <= Math.Max(2, near.Length / 3) ? $"is not known; did you mean {near}?" : "is not known";
    }

    private static int Distance(string a, string b)
    {
        if (Math.Abs(a.Length - b.Length) > 8)
            return int.MaxValue;
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }

    private static string Names(IEnumerable<string> names) => string.Join(", ", names);
}
