using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.OpenApi;
using PushSystem.Center.Idempotency;
using PushSystem.Hosting.Problems;

namespace PushSystem.Center.OpenApi;

/// <summary>Fills an operation of the OpenAPI document from the endpoint's <see cref="ApiOperation"/>. Stateless.</summary>
internal sealed class OperationWriter : IOpenApiOperationTransformer
{
    public const string AppKeyScheme = "appKey", AdminKeyScheme = "adminKey";

    private static readonly ApiProblem[] Common =
    [
        new(401, "unauthorized"), new(429, "too-many-requests"), new(500, "internal"), new(503, "overloaded, store-unavailable"),
    ];

    public async Task TransformAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        if (context.Description.ActionDescriptor.EndpointMetadata.OfType<ApiOperation>().FirstOrDefault() is not { } api)
            return;
        var document = context.Document!;
        operation.OperationId = api.Id;
        operation.Summary = api.Summary;
        operation.Description = api.Description;
        operation.Tags = new HashSet<OpenApiTagReference> { new(api.Tag, document) };
        operation.Security =
            [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(api.IsAdmin ? AdminKeyScheme : AppKeyScheme, document)] = [] }];
        operation.Parameters = Parameters(api, context);
        if (api.Request is not null)
        {
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = !api.IsRequestOptional,
                Content = Content("application/json", await SchemaAsync(api.Request, context, cancellationToken), api.RequestExample),
            };
        }
        operation.Responses = [];
        foreach (var reply in api.Replies)
        {
            operation.Responses[Status(reply.Status)] = new OpenApiResponse
            {
                Description = reply.Description,
                Content = reply.Type is null ? null : Content("application/json", await SchemaAsync(reply.Type, context, cancellationToken), reply.Example),
            };
        }
        var problem = await SchemaAsync(typeof(ProblemView), context, cancellationToken);
        foreach (var status in AllProblems(api, context.Description.HttpMethod).GroupBy(one => one.Status).OrderBy(group => group.Key))
        {
            operation.Responses[Status(status.Key)] = new OpenApiResponse
            {
                Description = string.Join(", ", status.Select(one => one.Slugs)),
                Content = Content(Problem.ContentType, problem, null),
            };
        }
    }

    private static IEnumerable<ApiProblem> AllProblems(ApiOperation api, string? method)
    {
        var all = Common.Append(new ApiProblem(403, api.IsAdmin ? "admin-key-needed" : "app-key-needed, app-disabled")).Concat(api.Problems);
        if (method == "POST")
            all = all.Append(new ApiProblem(422, "idempotency-conflict"));
        if (api.Query.Count > 0)
            all = all.Append(new ApiProblem(400, "invalid-field"));
        if (api.Request is not null)
        {
            all = all.Concat(
            [
                new(400, "malformed-json, missing-field, invalid-field, unknown-member, duplicate-member, payload-too-large, level-unavailable"),
                new(413, "body-too-large"), new(415, "wrong-content-type, wrong-content-encoding"),
            ]);
        }
        return all;
    }

    private static List<IOpenApiParameter> Parameters(ApiOperation api, OpenApiOperationTransformerContext context)
    {
        var parameters = new List<IOpenApiParameter>();
        var path = context.Description.RelativePath ?? "";
        foreach (var name in (string[])["user", "id", "app"])
        {
            if (path.Contains($"{{{name}}}", StringComparison.Ordinal))
                parameters.Add(new OpenApiParameter { Name = name, In = ParameterLocation.Path, Required = true, Schema = Text() });
        }
        foreach (var query in api.Query)
        {
            var schema = query.Min is null ? Text() : new OpenApiSchema
            {
                Type = JsonSchemaType.Integer, Minimum = Invariant(query.Min), Maximum = Invariant(query.Max),
            };
            parameters.Add(new OpenApiParameter { Name = query.Name, In = ParameterLocation.Query, Description = query.Description, Schema = schema });
        }
        if (context.Description.HttpMethod == "POST")
        {
            parameters.Add(new OpenApiParameter
            {
                Name = IdempotencyKey.Header,
                In = ParameterLocation.Header,
                Description = "A key of your own for this request. Sent again within 24 hours with the same body it gives the first answer, marked "
                    + $"{IdempotencyKey.ReplayedHeader}: true; with another body it is refused with 422 idempotency-conflict.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = IdempotencyKey.MaxLength },
            });
        }
        return parameters;
    }

    /// <summary>A reference to the type's schema, which is put among the document's components on its first use.</summary>
    private static async Task<IOpenApiSchema> SchemaAsync(Type type, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var name = SchemaNames.Of(type);
        if (context.Document!.Components?.Schemas?.ContainsKey(name) != true)
            context.Document.AddComponent(name, await context.GetOrCreateSchemaAsync(type, null, cancellationToken));
        return new OpenApiSchemaReference(name, context.Document);
    }

    private static Dictionary<string, OpenApiMediaType> Content(string type, IOpenApiSchema schema, string? example) =>
        new() { [type] = new OpenApiMediaType { Schema = schema, Example = example is null ? null : JsonNode.Parse(example) } };

    private static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };

    private static string Status(int status) => status.ToString(CultureInfo.InvariantCulture);

    private static string? Invariant(int? number) => number?.ToString(CultureInfo.InvariantCulture);
}
