using System.ComponentModel.DataAnnotations;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.OpenApi;

namespace PushSystem.Center.OpenApi;

/// <summary>
/// What the parsers hold and the schema generator does not know: numbers are never strings, absent is never null, no unknown
/// members, and exactly one payload. Pure.
/// </summary>
internal static class SchemaRules
{
    public static void Apply(OpenApiSchema schema, Type type, JsonPropertyInfo? property)
    {
        if (schema.Type is { } kinds)
        {
            kinds &= ~JsonSchemaType.Null;
            if (kinds.HasFlag(JsonSchemaType.Integer))
                (kinds, schema.Pattern) = (JsonSchemaType.Integer, null);
            schema.Type = kinds;
        }
        if (property?.AttributeProvider?.GetCustomAttributes(typeof(AllowedValuesAttribute), false) is [AllowedValuesAttribute allowed])
            schema.Enum = [.. allowed.Values.Select(value => (JsonNode)JsonValue.Create((string)value!)!)];
        if (type.Namespace != typeof(SchemaRules).Namespace || !type.Name.EndsWith("Request", StringComparison.Ordinal))
            return;
        schema.AdditionalPropertiesAllowed = false;
        if (type == typeof(WebhookRequest))
            schema.Type |= JsonSchemaType.Null;
        if (type.IsAssignableTo(typeof(PayloadRequest)))
            schema.OneOf = [.. ((string[])["text", "json", "base64"]).Select(IOpenApiSchema (member) => new OpenApiSchema { Required = new HashSet<string> { member } })];
    }
}
