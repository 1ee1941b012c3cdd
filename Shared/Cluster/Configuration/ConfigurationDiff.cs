using System.Collections;

namespace PushSystem.Cluster.Configuration;

/// <summary>One setting that differs; null = not set. NeedsRestart: running processes keep the old value.</summary>
public sealed record SettingChange(string Path, string? Before, string? After, bool NeedsRestart);

/// <summary>What two configurations differ in, by meaning: order of keys, comments and spelling of values do not count. Pure.</summary>
public static class ConfigurationDiff
{
    /// <summary>The differences, in the order of the sections. Items of lists are told one by one, as path[] with the item.</summary>
    public static IReadOnlyList<SettingChange> Between(ClusterConfiguration before, ClusterConfiguration after)
    {
        var changes = new List<SettingChange>();
        foreach (var (section, property) in ConfigurationSchema.Sections)
        {
            var (old, now) = (property.GetValue(before)!, property.GetValue(after)!);
            foreach (var setting in ConfigurationSchema.Of(property.PropertyType))
                Compare(changes, $"{section}.{setting.Name}", setting, setting.Property.GetValue(old), setting.Property.GetValue(now));
        }
        return changes;
    }

    private static void Compare(List<SettingChange> changes, string path, SettingInfo setting, object? old, object? now)
    {
        var restart = setting.Limits.NeedsRestart;
        if (!setting.IsList)
        {
            if (!Equals(old, now))
                changes.Add(new SettingChange(path, Text(setting, old), Text(setting, now), restart));
            return;
        }
        var (before, after) = (Items(setting, old), Items(setting, now));
        if (before.SequenceEqual(after) && (old is null) == (now is null))
            return;
        var found = changes.Count;
        foreach (var gone in before.Except(after))
            changes.Add(new SettingChange(path + "[]", gone, null, restart));
        foreach (var added in after.Except(before))
            changes.Add(new SettingChange(path + "[]", null, added, restart));
        // The same items in another order, or an empty list where there was none.
        if (changes.Count == found)
            changes.Add(new SettingChange(path, Joined(before, old), Joined(after, now), restart));
    }

    private static string? Joined(string[] items, object? value)
    {
        const int Shown = 8;
        return value is null ? null : $"[{string.Join(", ", items.Take(Shown))}{(items.Length > Shown ? $", … {items.Length} items" : "")}]";
    }

    private static string[] Items(SettingInfo setting, object? list) =>
        list is null ? [] : [.. ((IEnumerable)list).Cast<object>().Select(item => Text(setting, item)!)];

    private static string? Text(SettingInfo setting, object? value) => value switch
    {
        null => null,
        NetworkLocation location => $"{location.Cidr} region={location.Region} isp={location.Isp}",
        _ => SettingText.Format(value, setting.Limits.Bytes),
    };
}
