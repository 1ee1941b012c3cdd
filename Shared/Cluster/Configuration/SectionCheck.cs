namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Rules over several settings of a section. Defaults are not known here, so settings that bound each other are given together or not
/// at all: otherwise a document could be valid by itself and impossible with the defaults of a later version. One thread.
/// </summary>
internal sealed class SectionCheck(string section, List<ConfigurationError> errors)
{
    /// <summary>Says that a rule is broken.</summary>
    public void Fail(string setting, string problem) => errors.Add(new ConfigurationError($"{section}.{setting}", 0, problem));

    /// <summary>All or none of the settings are given, and each is at most the next.</summary>
    public void Ascending<T>(params ReadOnlySpan<(string Name, T? Value)> settings) where T : struct, IComparable<T>
    {
        var given = 0;
        foreach (var (_, value) in settings)
            given += value is null ? 0 : 1;
        if (given == 0)
            return;
        var names = new string[settings.Length];
        for (var i = 0; i < settings.Length; i++)
            names[i] = settings[i].Name;
        foreach (var (name, value) in settings)
        {
            if (value is null)
                Fail(name, $"is missing: {string.Join(", ", names)} bound each other and are given together");
        }
        if (given < settings.Length)
            return;
        for (var i = 1; i < settings.Length; i++)
        {
            if (settings[i - 1].Value!.Value.CompareTo(settings[i].Value!.Value) > 0)
            {
                Fail(settings[i - 1].Name,
                    $"{SettingText.Format(settings[i - 1].Value!.Value)} is above {names[i]}, at most {SettingText.Format(settings[i].Value!.Value)} is allowed");
            }
        }
    }

    /// <summary>No two items are equal.</summary>
    public void Distinct<T>(string setting, IReadOnlyList<T>? items) where T : notnull
    {
        var seen = new Dictionary<T, int>();
        for (var i = 0; i < (items?.Count ?? 0); i++)
        {
            if (!seen.TryAdd(items![i], i))
                Fail($"{setting}[{i}]", $"{items[i]} stands in {setting}[{seen[items[i]]}] already");
        }
    }
}
