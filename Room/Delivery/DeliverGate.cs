namespace PushSystem.Room.Delivery;

/// <summary>
/// Bounds what deliver calls hold: their number by waiting, their payload bytes by letting sessions read the mailbox instead.
/// Any thread; disposed by the room.
/// </summary>
internal sealed class DeliverGate(int maxCalls) : IDisposable
{
    private readonly SemaphoreSlim _calls = new(maxCalls);
    private long _bytes;

    public Task EnterAsync(CancellationToken cancellationToken) => _calls.WaitAsync(cancellationToken);

    public void Leave() => _calls.Release();

    public bool TryReserve(long bytes, long maxBytes)
    {
        if (Interlocked.Add(ref _bytes, bytes) <= maxBytes)
            return true;
        Interlocked.Add(ref _bytes, -bytes);
        return false;
    }

    public void Return(long bytes) => Interlocked.Add(ref _bytes, -bytes);

    public void Dispose() => _calls.Dispose();
}
