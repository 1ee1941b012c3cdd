using PushSystem.Transport.Memory;

namespace PushSystem.Transport.Tests;

/// <summary>What every engine must do. Each engine inherits all of it.</summary>
public abstract partial class EngineContract
{
    internal abstract EngineHarness NewHarness();

    private protected static byte[] Pattern(int length, int seed = 0)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}

public sealed class SocketEngineContract : EngineContract
{
    internal override EngineHarness NewHarness() => new SocketHarness();
}

public sealed class MemoryEngineContract : EngineContract
{
    internal override EngineHarness NewHarness() => new MemoryHarness(MemoryTurns.Manual);
}

public sealed class MemoryEngineOnThreadPoolContract : EngineContract
{
    internal override EngineHarness NewHarness() => new MemoryHarness(MemoryTurns.ThreadPool);
}
