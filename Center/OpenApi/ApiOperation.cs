namespace PushSystem.Center.OpenApi;

/// <summary>
/// What the OpenAPI document says of one endpoint beyond its path; attached to the endpoint as metadata. Examples are JSON texts;
/// those of requests are sent by a test and must be accepted. Immutable.
/// </summary>
internal sealed record ApiOperation(string Id, string Tag, string Summary)
{
    public string? Description { get; init; }
    public Type? Request { get; init; }
    public string? RequestExample { get; init; }
    public bool IsRequestOptional { get; init; }
    /// <summary>Status, type and example of each good answer; type null = no body.</summary>
    public IReadOnlyList<ApiReply> Replies { get; init; } = [];
    /// <summary>Problems beyond those that every endpoint may answer with: status and slugs.</summary>
    public IReadOnlyList<ApiProblem> Problems { get; init; } = [];
    public IReadOnlyList<ApiParameter> Query { get; init; } = [];
    public bool IsAdmin { get; init; }
}

internal sealed record ApiReply(int Status, string Description, Type? Type = null, string? Example = null);

internal sealed record ApiProblem(int Status, string Slugs);

internal sealed record ApiParameter(string Name, string Description, int? Min = null, int? Max = null);
