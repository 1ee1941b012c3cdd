using Microsoft.OpenApi;

namespace PushSystem.Center.OpenApi;

/// <summary>What the parsers hold and attributes cannot say: no unknown members, and exactly one payload.</summary>
internal static class SchemaRules
{
    public static void Apply(OpenApiSchema schema, Type type, bool isRoot)
    {
        if (!isRoot || type.Namespace != typeof(SchemaRules).Namespace || !type.Name.EndsWith("Request", StringComparison.Ordinal))
            return;
        schema.AdditionalPropertiesAllowed = false;
        if (!type.IsAssignableTo(typeof(PayloadRequest)))
            return;
        schema.OneOf = [.. ((string[])["text", "json", "base64"]).Select(IOpenApiSchema (member) => new OpenApiSchema { Required = new HashSet<string> { member } })];
    }
}
