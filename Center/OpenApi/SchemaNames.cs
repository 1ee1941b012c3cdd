namespace PushSystem.Center.OpenApi;

/// <summary>Names of schemas in the document: the type's, without what only the code needs.</summary>
internal static class SchemaNames
{
    public static string Of(Type type) => type.Name.EndsWith("View", StringComparison.Ordinal) ? type.Name[..^4] : type.Name;
}
