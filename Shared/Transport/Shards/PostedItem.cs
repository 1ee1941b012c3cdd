using Microsoft.Extensions.ObjectPool;

namespace PushSystem.Transport.Shards;

/// <summary>A posted action with its state. Items are pooled per state type, so that a post allocates nothing in the long run.</summary>
internal sealed class PostedItem<TState> : IWorkItem
{
    private const int MaxRetained = 1024;
    private static readonly DefaultObjectPool<PostedItem<TState>> Pool = new(new DefaultPooledObjectPolicy<PostedItem<TState>>(), MaxRetained);

    private Action<TState>? _action;
    private TState? _state;

    public IWorkItem? Next { get; set; }

    public static PostedItem<TState> Rent(Action<TState> action, TState state)
    {
        var item = Pool.Get();
        item._action = action;
        item._state = state;
        return item;
    }

    /// <summary>Gives back an item that no queue took.</summary>
    public void Return()
    {
        _action = null;
        _state = default;
        Pool.Return(this);
    }

    public void Run(Shard shard)
    {
        var action = _action!;
        var state = _state!;
        Return();
        shard.RunPosted(action, state);
    }
}
