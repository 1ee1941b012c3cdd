using PushSystem.Client.Delivery;
using PushSystem.Client.Storage;
using PushSystem.Client.Upstream;

namespace PushSystem.Client;

/// <summary>
/// What the parts of one client share: options, clock, store, queues and the way to the application's events.
/// Owns nothing by itself; every member is thread-safe; the client disposes the store.
/// </summary>
internal sealed class ClientContext(
    PushClientOptions options, StateStore store, BindingTable bindings, Outbox outbox, Action<ClientError> onError, Action<BindingChange> onBinding,
    Action<StreamReset> onReset)
{
    private int _storeFailed;

    public PushClientOptions Options { get; } = options;
    public TimeProvider Time { get; } = options.TimeProvider;
    public Jitter Jitter { get; } = new(options.RandomSeed);
    public StateStore Store { get; } = store;
    public BindingTable Bindings { get; } = bindings;
    public Outbox Outbox { get; } = outbox;
    public DeliveryQueue Queue { get; } = new(options.ReceiveQueueBytes);

    /// <summary>Raises an event; the application's exceptions are caught.</summary>
    public Action<ClientError> OnError { get; } = onError;
    /// <inheritdoc cref="OnError"/>
    public Action<BindingChange> OnBinding { get; } = onBinding;
    /// <inheritdoc cref="OnError"/>
    public Action<StreamReset> OnReset { get; } = onReset;

    /// <summary>Writes the store; a failure is told once, until it works again.</summary>
    public bool TryFlushStore(bool toDisk)
    {
        if (Store.TryFlush(toDisk, out var error))
        {
            Volatile.Write(ref _storeFailed, 0);
            return true;
        }
        if (Interlocked.Exchange(ref _storeFailed, 1) == 0)
            OnError(new ClientError(ClientErrorKind.Store, $"the store could not be written, acknowledgements wait: {error.Message}", error));
        return false;
    }
}
