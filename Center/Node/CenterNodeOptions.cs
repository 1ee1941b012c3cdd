using System.ComponentModel.DataAnnotations;
using System.Net;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Center;

/// <summary>The node file of a center.</summary>
public sealed class CenterNodeOptions : NodeOptions
{
    /// <summary>Section "center".</summary>
    public CenterSettings Center { get; set; } = new();

    /// <inheritdoc/>
    public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var result in base.Validate(validationContext))
            yield return result;
        if (!IPEndPoint.TryParse(Center.Listen, out var endPoint) || endPoint.Port == 0)
            yield return Wrong("Center:Listen", $"must be an address with a port, not '{Center.Listen}'");
        if (Center.AdminKeyFile.Length > 0 && !File.Exists(Center.AdminKeyFile))
            yield return Wrong("Center:AdminKeyFile", $"'{Center.AdminKeyFile}' must be a file that exists");
    }
}

/// <summary>What is peculiar to one center.</summary>
public sealed class CenterSettings
{
    /// <summary>Where businesses reach the API, "address:port". No default.</summary>
    public string Listen { get; set; } = "";
    /// <summary>File with the key of the administration, the same on all centers; "" = the administration's calls are refused here.</summary>
    public string AdminKeyFile { get; set; } = "";
}
