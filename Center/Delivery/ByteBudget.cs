using PushSystem.Contracts;

namespace PushSystem.Center.Delivery;

/// <summary>Bounds a queue in bytes. A message counts its payload and what holding it costs. Thread-safe.</summary>
internal sealed class ByteBudget(long limit)
{
    private const int Overhead = 256;

    private long _used;

    public long Used => Volatile.Read(ref _used);

    public static int SizeOf(in DeliverItem item) => item.Payload.Length + Overhead;

    public bool TryTake(in DeliverItem item)
    {
        var size = SizeOf(item);
        if (Interlocked.Add(ref _used, size) <= limit)
            return true;
        Interlocked.Add(ref _used, -size);
        return false;
    }

    public void Release(long bytes) => Interlocked.Add(ref _used, -bytes);
}
