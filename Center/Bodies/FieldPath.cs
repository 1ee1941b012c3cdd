namespace PushSystem.Center.Bodies;

/// <summary>Where in a body a member lies; becomes text only when an error is told.</summary>
internal readonly record struct FieldPath(string Parent, int Index = -1)
{
    public static readonly FieldPath Root = new("");

    /// <summary>The path itself, such as "messages[3]"; "" for the root.</summary>
    public string Self => Index < 0 ? Parent : $"{Parent}[{Index}]";

    /// <summary>The path of a member, such as "messages[3].user".</summary>
    public string Of(string member) => Self is { Length: > 0 } self ? $"{self}.{member}" : member;
}
