namespace PushSystem.Cluster.Configuration;

/// <summary>
/// What a setting allows. Bounds are written as in the document ("1s", "64KiB", "0.5") and include both ends. A setting that is absent
/// (null) leaves the component's own default, which is written in the component's options and nowhere else.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SettingAttribute : Attribute
{
    /// <summary>A setting without bounds other than its type.</summary>
    public SettingAttribute()
    {
    }

    /// <summary>A number, duration or size with its bounds.</summary>
    public SettingAttribute(string least, string most) => (Least, Most) = (least, most);

    /// <summary>Lowest value allowed.</summary>
    public string? Least { get; }

    /// <summary>Highest value allowed.</summary>
    public string? Most { get; }

    /// <summary>A change holds only from the next start of the process on.</summary>
    public bool NeedsRestart { get; set; }

    /// <summary>Durations: fractions of a second cannot be told to clients.</summary>
    public bool WholeSeconds { get; set; }

    /// <summary>The value is a size in bytes: KiB, MiB and GiB may be written.</summary>
    public bool Bytes { get; set; }

    /// <summary>Texts: most bytes of UTF-8.</summary>
    public int MaxBytes { get; set; } = 64;

    /// <summary>Lists: most items.</summary>
    public int MaxItems { get; set; } = 64;

    /// <summary>Members of list items: may not be absent.</summary>
    public bool Required { get; set; }
}
