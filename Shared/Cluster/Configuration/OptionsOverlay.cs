using System.Collections;
using System.Reflection;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Lays a section over the options of a component: settings of the section go to the options' members of the same name; what the
/// section leaves out is as the process was started with. Components read their options when they need them, so that a written member
/// holds from then on; members that they read only once are marked in the section and change at the start only.
/// Owns nothing but a copy of the first values; one thread at a time changes; members are written one by one.
/// </summary>
public sealed class OptionsOverlay<TOptions, TSection>
    where TOptions : class, new()
    where TSection : class
{
    private readonly TOptions _live;
    private readonly TOptions _started;
    private readonly IReadOnlyList<Pair> _pairs;

    /// <summary>
    /// Over options that are filled from defaults, bootstrap file and command line, and not used yet. A setting without a member belongs
    /// to other options of the same component (a test holds that it belongs to some); throws <see cref="InvalidOperationException"/>
    /// when all of them do.
    /// </summary>
    public OptionsOverlay(TOptions live)
    {
        _live = live;
        _started = Copy(live);
        _pairs = [.. ConfigurationSchema.Of(typeof(TSection)).Select(setting => (setting, Member(setting))).Where(pair => pair.Item2 is not null)
            .Select(pair => new Pair(pair.setting, pair.Item2!))];
        if (_pairs.Count == 0)
            throw new InvalidOperationException($"{typeof(TOptions).Name} has no member that {typeof(TSection).Name} names");
    }

    /// <summary>New options: as the process was started, with the section over them. For components that swap whole snapshots.</summary>
    public TOptions Over(TSection section) => Laid(_started, section, hotOnly: false);

    /// <summary>Throws what <paramref name="validate"/> throws when a process that starts with this section, or the running one, could not live with it.</summary>
    public void Check(TSection section, Action<TOptions> validate)
    {
        validate(Laid(_started, section, hotOnly: false));
        validate(Laid(_live, section, hotOnly: true));
    }

    /// <summary>All settings, before the component is made.</summary>
    public void ApplyAtStart(TSection section) => Lay(_live, section, hotOnly: false);

    /// <summary>The hot settings. Returns the names of those that differ and hold only after a restart.</summary>
    public IReadOnlyList<string> Apply(TSection section)
    {
        Lay(_live, section, hotOnly: true);
        var next = Laid(_started, section, hotOnly: false);
        return [.. _pairs.Where(pair => pair.Setting.Limits.NeedsRestart && !Same(pair.Member.GetValue(next), pair.Member.GetValue(_live))).Select(pair => pair.Setting.Name)];
    }

    private TOptions Laid(TOptions over, TSection section, bool hotOnly)
    {
        var copy = Copy(over);
        Lay(copy, section, hotOnly);
        return copy;
    }

    private void Lay(TOptions target, TSection section, bool hotOnly)
    {
        foreach (var (setting, member) in _pairs)
        {
            if (hotOnly && setting.Limits.NeedsRestart)
                continue;
            var value = setting.Property.GetValue(section);
            var laid = value is null ? member.GetValue(_started) : Convert(value, member.PropertyType);
            if (!Same(laid, member.GetValue(target)))
                member.SetValue(target, laid);
        }
    }

    private static object Convert(object value, Type type)
    {
        if (type.IsInstanceOfType(value))
            return value;
        if (type == typeof(string))
            return SettingText.Format(value);
        if (type == typeof(long))
            return System.Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture);
        throw new InvalidOperationException($"{value.GetType().Name} does not fit {type.Name}");
    }

    private static bool Same(object? a, object? b) =>
        a is IEnumerable left and not string && b is IEnumerable right ? left.Cast<object>().SequenceEqual(right.Cast<object>()) : Equals(a, b);

    private static PropertyInfo? Member(SettingInfo setting) =>
        typeof(TOptions).GetProperty(setting.Property.Name) is { CanWrite: true } member ? member : null;

    private static TOptions Copy(TOptions of)
    {
        var copy = new TOptions();
        foreach (var property in typeof(TOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property is { CanRead: true, CanWrite: true }))
            property.SetValue(copy, property.GetValue(of));
        return copy;
    }

    private sealed record Pair(SettingInfo Setting, PropertyInfo Member);
}
