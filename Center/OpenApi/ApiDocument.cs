using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace PushSystem.Center.OpenApi;

/// <summary>The OpenAPI document at /openapi/v1.json and the page /docs to browse it and try it out.</summary>
internal static class ApiDocument
{
    private const string Name = "v1";

    public static void AddApiDocument(this IServiceCollection services) => services.AddOpenApi(Name, options =>
    {
        options.AddOperationTransformer<OperationWriter>();
        options.AddSchemaTransformer((schema, context, _) =>
        {
            SchemaRules.Apply(schema, context.JsonTypeInfo.Type, context.JsonPropertyInfo);
            return Task.CompletedTask;
        });
        options.AddDocumentTransformer((document, _, _) =>
        {
            Describe(document);
            return Task.CompletedTask;
        });
    });

    public static void MapApiDocument(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapOpenApi("/openapi/{documentName}.json").ExcludeFromDescription();
        var page = endpoints.CreateApplicationBuilder()
            .Use(next => context =>
            {
                // The page's files are served only to requests that no endpoint has taken yet.
                context.SetEndpoint(null);
                return next(context);
            })
            .UseSwaggerUI(ui =>
            {
                ui.RoutePrefix = "docs";
                ui.DocumentTitle = "PushSystem API";
                ui.SwaggerEndpoint($"/openapi/{Name}.json", "PushSystem API");
                ui.EnablePersistAuthorization();
                ui.EnableDeepLinking();
                ui.ConfigObject.DefaultModelsExpandDepth = 0;
            })
            .Build();
        endpoints.MapGet("/docs/{**file}", page).ExcludeFromDescription();
    }

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "PushSystem API",
            Version = Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0",
            Description = "Send messages to users' devices. Every error is application/problem+json; its field and limit say what was wrong. "
                + "Nothing changes on an error. Every POST takes an Idempotency-Key.",
        };
        document.Servers?.Clear();
        document.Tags = new HashSet<OpenApiTag>(((string[])[AppOperations.Messages, AppOperations.Users, AppOperations.Broadcasts, MulticastOperations.Tag, AppOperations.App, AdminOperations.Tag])
            .Select(tag => new OpenApiTag { Name = tag }));
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [OperationWriter.AppKeyScheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An app's API key: pk_…",
            },
            [OperationWriter.AdminKeyScheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "The admin key: pa_…",
            },
        };
    }
}
