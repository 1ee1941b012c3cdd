namespace PushSystem.Client.Tests.Support;

/// <summary>A folder that goes away with the test.</summary>
internal sealed class TempFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("push-client-").FullName;

    public string File(string name = "phone-1.state") => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
