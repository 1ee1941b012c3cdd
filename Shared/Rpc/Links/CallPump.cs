using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace PushSystem.Rpc.Links;

/// <summary>Something that a pump runs once: the handler of a request, or what a caller does after its reply.</summary>
internal abstract class PumpItem
{
    public abstract void Run();
}

/// <summary>
/// Runs the items of one link on thread-pool threads. It owns the queue; any thread adds; nobody disposes it (it holds no thread).
/// The thread that received a batch works on it itself, after somebody else may already receive again. Before an item runs while more
/// wait, one helper is asked for: so a batch costs one hop at most, and an item that takes long delays only itself.
/// What the items send is put off until the queue is empty, so that a batch of replies leaves in one send.
/// </summary>
internal sealed class CallPump(ILogger logger) : IThreadPoolWorkItem
{
    /// <summary>Items in a row before the thread goes back to the pool, where others wait for it too.</summary>
    private const int ItemsInTurn = 512;

    [ThreadStatic]
    private static CallPump? t_current;

    private readonly ConcurrentQueue<PumpItem> _items = new();
    private readonly ConcurrentQueue<OutgoingQueue> _deferred = new();
    private int _helperAsked;

    /// <summary>The pump whose item runs on this thread.</summary>
    public static CallPump? Current => t_current;

    /// <summary>True while further items wait, which somebody will run, and then send what was put off.</summary>
    public bool HasMore => !_items.IsEmpty;

    /// <summary>Adds an item; the caller calls <see cref="Work"/> soon.</summary>
    public void Add(PumpItem item) => _items.Enqueue(item);

    /// <summary>Adds an item to be run on another thread.</summary>
    public void Post(PumpItem item)
    {
        _items.Enqueue(item);
        AskHelper();
    }

    /// <summary>Sends what waits in <paramref name="output"/> once the queue is empty.</summary>
    public void Defer(OutgoingQueue output) => _deferred.Enqueue(output);

    /// <summary>Runs items until there are none, or another thread goes on.</summary>
    public void Work()
    {
        var outer = t_current;
        t_current = this;
        for (var count = 0; _items.TryDequeue(out var item); count++)
        {
            if (!_items.IsEmpty)
                AskHelper();
            try
            {
                item.Run();
            }
            catch (Exception e)
            {
                RpcLog.PumpFault(logger, e);
            }
            if (count == ItemsInTurn)
            {
                AskHelper();
                break;
            }
        }
        t_current = outer;
        while (_deferred.TryDequeue(out var output))
            output.Flush();
    }

    void IThreadPoolWorkItem.Execute()
    {
        // Before the first look into the queue: what is added later asks again.
        Interlocked.Exchange(ref _helperAsked, 0);
        Work();
    }

    private void AskHelper()
    {
        if (Volatile.Read(ref _helperAsked) == 0 && Interlocked.Exchange(ref _helperAsked, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }
}
