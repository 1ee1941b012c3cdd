using System.Reflection;

namespace PushSystem.Cluster.Configuration;

/// <summary>A setting as the document names it, with where it is kept and what it allows. Immutable.</summary>
internal sealed class SettingInfo
{
    public SettingInfo(PropertyInfo property, SettingAttribute limits)
    {
        (Property, Limits) = (property, limits);
        Name = char.ToLowerInvariant(property.Name[0]) + property.Name[1..];
        IsList = property.PropertyType is { IsGenericType: true } list && list.GetGenericTypeDefinition() == typeof(IReadOnlyList<>);
        ValueType = IsList ? property.PropertyType.GetGenericArguments()[0] : Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        Least = Bound(limits.Least);
        Most = Bound(limits.Most);
    }

    /// <summary>Name in the document.</summary>
    public string Name { get; }
    public PropertyInfo Property { get; }
    public SettingAttribute Limits { get; }
    public bool IsList { get; }
    /// <summary>Type of the value, or of a list's items.</summary>
    public Type ValueType { get; }
    public IComparable? Least { get; }
    public IComparable? Most { get; }
    /// <summary>The value is an object with settings of its own.</summary>
    public bool IsObject => ValueType == typeof(NetworkLocation);

    /// <summary>"1s to 1d", or null.</summary>
    public string? Range => Limits.Least is null ? null : $"{Limits.Least} to {Limits.Most}";

    private IComparable? Bound(string? text) => text is null
        ? null
        : (IComparable?)SettingText.Read(ValueType, text, Limits.Bytes, out _) ?? throw new InvalidOperationException($"bound '{text}' of {Name}");
}

/// <summary>
/// All sections and settings, read once from the types, so that reading, writing, comparing and documenting cannot differ. Immutable.
/// </summary>
internal static class ConfigurationSchema
{
    private static readonly Dictionary<Type, IReadOnlyList<SettingInfo>> Settings = [];

    static ConfigurationSchema()
    {
        Sections = [.. typeof(ClusterConfiguration).GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(property => (char.ToLowerInvariant(property.Name[0]) + property.Name[1..], property))];
        foreach (var type in Sections.Select(section => section.Property.PropertyType).Append(typeof(NetworkLocation)))
        {
            Settings[type] = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Where(property => property.IsDefined(typeof(SettingAttribute)))
                .Select(property => new SettingInfo(property, property.GetCustomAttribute<SettingAttribute>()!))];
        }
    }

    /// <summary>The sections in the order of the document.</summary>
    public static IReadOnlyList<(string Name, PropertyInfo Property)> Sections { get; }

    /// <summary>The settings of a section, or of a list's items.</summary>
    public static IReadOnlyList<SettingInfo> Of(Type type) => Settings[type];
}
