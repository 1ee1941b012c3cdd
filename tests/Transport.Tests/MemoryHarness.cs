using PushSystem.TestSupport;
using PushSystem.Transport.Memory;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Tests;

internal sealed class MemoryHarness(MemoryTurns turns) : EngineHarness
{
    private MemoryEngine? _engine;

    public override ITransportEngine Engine => Memory;

    public override EngineCore Core => Memory.Core;

    public MemoryEngine Memory => _engine ??= new MemoryEngine(Options, Loggers, Clock, turns);

    public override async Task<T> For<T>(Task<T> task, string phase)
    {
        await Until(() => task.IsCompleted, phase);
        return await task;
    }

    public override async Task Until(Func<bool> condition, string phase) => await Waiting.Until(
        () =>
        {
            Memory.RunUntilIdle();
            return condition();
        },
        phase);

    protected override Task<IPeer> OpenAsync() => Task.FromResult<IPeer>(new MemoryPeer(Memory.Connect()));
}

internal sealed class MemoryPeer(MemoryClient client) : IPeer
{
    public Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        client.Send(bytes.Span);
        return Task.CompletedTask;
    }

    public Task<byte[]> ReadAsync(int count) => client.ReadExactlyAsync(count);

    public async Task<long> ReadToEndAsync()
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        while (await client.ReadAsync(buffer) is var read && read > 0)
            total += read;
        return total;
    }

    public void StopReading() => client.StopReading(64 * 1024);

    public void ContinueReading() => client.ContinueReading();

    public void Close() => client.Close();

    public void Reset() => client.Reset();

    public void Dispose() => client.Close();
}
