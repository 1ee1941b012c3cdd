namespace PushSystem.Cluster.Configuration;

/// <summary>One thing that is wrong: where (a path such as "room.heartbeatMin", and the line, 0 = not known), and what.</summary>
public sealed record ConfigurationError(string Path, int Line, string Problem)
{
    /// <inheritdoc/>
    public override string ToString() => (Path.Length > 0, Line > 0) switch
    {
        (true, true) => $"{Path} (line {Line}): {Problem}",
        (true, false) => $"{Path}: {Problem}",
        (false, true) => $"line {Line}: {Problem}",
        _ => Problem,
    };
}

/// <summary>A document is not valid. Nothing of it was used.</summary>
public sealed class ConfigurationException(IReadOnlyList<ConfigurationError> errors)
    : Exception(string.Join("; ", errors.Take(MaxTold)) + (errors.Count > MaxTold ? $"; and {errors.Count - MaxTold} more" : ""))
{
    private const int MaxTold = 10;

    /// <summary>With one error.</summary>
    public ConfigurationException(string path, int line, string problem)
        : this([new ConfigurationError(path, line, problem)])
    {
    }

    /// <summary>Everything that is wrong, at least one, in the document's order.</summary>
    public IReadOnlyList<ConfigurationError> Errors { get; } = errors;
}
