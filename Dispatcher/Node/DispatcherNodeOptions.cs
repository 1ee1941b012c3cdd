using System.ComponentModel.DataAnnotations;
using System.Net;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Dispatcher;

/// <summary>The node file of a dispatcher.</summary>
public sealed class DispatcherNodeOptions : NodeOptions
{
    /// <summary>Section "dispatcher".</summary>
    public DispatcherSettingsFile Dispatcher { get; set; } = new();

    /// <inheritdoc/>
    public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var result in base.Validate(validationContext))
            yield return result;
        if (!IPEndPoint.TryParse(Dispatcher.Listen, out var endPoint) || endPoint.Port == 0)
            yield return Wrong("Dispatcher:Listen", $"must be an address with a port, not '{Dispatcher.Listen}'");
    }
}

/// <summary>What is peculiar to one dispatcher.</summary>
public sealed class DispatcherSettingsFile
{
    /// <summary>Where clients ask for routes, "address:port". No default.</summary>
    public string Listen { get; set; } = "";
}
