using PushSystem.TestSupport;

namespace PushSystem.Client.Tests.Support;

/// <summary>Records events in order and lets a test wait for the next one that matches. Thread-safe.</summary>
internal sealed class EventLog<T>(string name)
{
    private readonly Lock _lock = new();
    private readonly List<T> _items = [];
    private TaskCompletionSource _added = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _cursor;

    public List<T> All
    {
        get
        {
            lock (_lock)
                return [.. _items];
        }
    }

    public void Add(T item)
    {
        TaskCompletionSource added;
        lock (_lock)
        {
            _items.Add(item);
            added = _added;
            _added = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        added.TrySetResult();
    }

    /// <summary>The next event behind the last one returned that matches; those between are passed over.</summary>
    public async Task<T> NextAsync(Func<T, bool>? matches = null, string phase = "")
    {
        while (true)
        {
            Task added;
            lock (_lock)
            {
                while (_cursor < _items.Count)
                {
                    var item = _items[_cursor++];
                    if (matches is null || matches(item))
                        return item;
                }
                added = _added.Task;
            }
            await Waiting.For(added, $"{name} {phase}; seen so far: {string.Join(", ", All)}");
        }
    }
}
