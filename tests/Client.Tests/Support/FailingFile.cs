using PushSystem.Client.Storage;

namespace PushSystem.Client.Tests.Support;

/// <summary>A store file whose writes fail while the test says so.</summary>
internal sealed class FailingFile(string path) : StoreFile(path)
{
    public volatile bool Fails;
    public int Flushes;

    public override void Write(ReadOnlySpan<byte> bytes, long offset)
    {
        if (Fails)
            throw new IOException("no space left on device");
        base.Write(bytes, offset);
    }

    public override void Replace(ReadOnlySpan<byte> content)
    {
        if (Fails)
            throw new IOException("no space left on device");
        base.Replace(content);
    }

    public override void FlushToDisk()
    {
        Flushes++;
        base.FlushToDisk();
    }
}
