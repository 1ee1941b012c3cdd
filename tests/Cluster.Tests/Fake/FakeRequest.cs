using System.Text.Json;

namespace PushSystem.Cluster.Tests.Fake;

/// <summary>A request as the fake got it.</summary>
internal sealed record FakeRequest(string Method, string Path, string Body, string? Authorization)
{
    /// <summary>A member of the body, "" when it is absent.</summary>
    public string this[string name]
    {
        get
        {
            using var document = JsonDocument.Parse(Body);
            return document.RootElement.TryGetProperty(name, out var value) ? value.ToString() : "";
        }
    }
}
