using System.ComponentModel.DataAnnotations;
using PushSystem.Hosting.Nodes;
using PushSystem.Redis;

namespace PushSystem.Register;

/// <summary>The node file of a register.</summary>
public sealed class RegisterNodeOptions : NodeOptions
{
    /// <summary>Section "redis": where the sessions lie.</summary>
    public RedisSettings Redis { get; set; } = new();

    /// <inheritdoc/>
    public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        base.Validate(validationContext).Concat(Redis.Problems().Select(problem => Wrong("Redis", problem)));
}
