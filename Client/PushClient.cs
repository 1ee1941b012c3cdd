using PushSystem.Client.Connections;
using PushSystem.Client.Routing;
using PushSystem.Client.Storage;
using PushSystem.Client.Upstream;
using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>
/// The SDK: one connection per device to the push system, any number of bindings on it up to 16. docs/sdk.md is the guide.
/// Owns the store, the bindings and the loops; every public member is thread-safe; the message handler is called for one message at a
/// time, events come from the client's own tasks and must not block; the application disposes it, which sends the last ACKs.
/// </summary>
public sealed class PushClient : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly PushClientOptions _options;
    private readonly StateStore _store;
    private readonly BindingTable _bindings = new();
    private readonly Outbox _outbox;
    private readonly ClientContext _context;
    private readonly ConnectionLoop _loop;
    private Func<ReceivedMessage, ValueTask>? _handler;
    private ClientRun? _run;
    private volatile ClientState _state;
    private bool _disposed;

    /// <summary>
    /// Checks the options and opens the store. Throws <see cref="ArgumentException"/> naming the option,
    /// <see cref="IOException"/> when the store cannot be opened or another process has it,
    /// <see cref="InvalidOperationException"/> when it belongs to another device.
    /// </summary>
    public PushClient(PushClientOptions options) : this(options, null)
    {
    }

    internal PushClient(PushClientOptions options, Func<string, StoreFile>? openFile)
    {
        ArgumentNullException.ThrowIfNull(options);
        options = options.Clone();
        options.Validate();
        _options = options;
        _store = StateStore.Open(options.StorePath, options.Device, openFile);
        _outbox = new Outbox(options.SendQueueBytes, _store, options.TimeProvider);
        _context = new ClientContext(options, _store, _bindings, _outbox, OnError, OnBinding, OnReset);
        _loop = new ConnectionLoop(_context, OnState);
    }

    /// <summary>The client connects, is online, waits, stopped. Raised in order.</summary>
    public event Action<StateChange>? StateChanged;

    /// <summary>A binding was bound, waits, failed or ended.</summary>
    public event Action<BindingChange>? BindingChanged;

    /// <summary>
    /// Messages of a stream will not come. Raised in order with the messages: everything before the gap was handled, and what is behind it
    /// comes after the event's handlers have returned.
    /// </summary>
    public event Action<StreamReset>? StreamReset;

    /// <summary>Something went wrong and the client goes on.</summary>
    public event Action<ClientError>? ErrorOccurred;

    /// <summary>What the client is doing now.</summary>
    public ClientState State => _state;

    internal ClientContext Context => _context;

    internal ServerConnection? Connection => _loop.Current;

    /// <summary>
    /// Sets the handler of all messages; once, before <see cref="StartAsync"/>. It is called for one message at a time, in order within
    /// each stream; the message counts as processed when the task ends. When it throws, the message is not acknowledged and comes
    /// again, with everything behind it, after a wait that grows with each failure.
    /// </summary>
    public void OnMessage(Func<ReceivedMessage, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        lock (_lock)
        {
            if (_handler is not null)
                throw new InvalidOperationException("the message handler is set already");
            _handler = handler;
        }
    }

    /// <inheritdoc cref="OnMessage(Func{ReceivedMessage, ValueTask})"/>
    public void OnMessage(Action<ReceivedMessage> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        OnMessage(message =>
        {
            handler(message);
            return ValueTask.CompletedTask;
        });
    }

    /// <summary>
    /// Binds (app, user), now if the client is online, else with the next login. <paramref name="ticketProvider"/> gives the ticket in text
    /// form; it is asked again when the server refuses the one at hand. Throws <see cref="ArgumentException"/> for a bad id and
    /// <see cref="InvalidOperationException"/> when it is bound already or the limit of 16 is reached. A binding that failed may be
    /// bound again.
    /// </summary>
    public PushBinding Bind(string app, string user, Func<CancellationToken, ValueTask<string>> ticketProvider)
    {
        ArgumentNullException.ThrowIfNull(ticketProvider);
        ClientText.Check(app, ProtocolLimits.MaxAppBytes, nameof(app));
        ClientText.Check(user, ProtocolLimits.MaxUserBytes, nameof(user));
        ObjectDisposedException.ThrowIf(_disposed, this);
        var retry = new BackOff(_options.BackoffBase, _options.BackoffCap, _options.BackoffReset, _context.Jitter);
        var binding = _bindings.Add(app, user,
            () => new PushBinding(app, user, ticketProvider, _store, _store.Take(app, user), retry), out var replaced);
        if (replaced is not null)
            _store.Release(replaced.UserState);
        _loop.Current?.Ensure(binding);
        return binding;
    }

    /// <inheritdoc cref="Bind(string, string, Func{CancellationToken, ValueTask{string}})"/>
    public PushBinding Bind(string app, string user, Func<Task<string>> ticketProvider)
    {
        ArgumentNullException.ThrowIfNull(ticketProvider);
        return Bind(app, user, async _ => await ticketProvider());
    }

    /// <summary>Binds with one fixed ticket; when it expires, the binding fails.</summary>
    public PushBinding Bind(string app, string user, string ticket)
    {
        if (!Ticket.TryParseText(ticket, out var bytes) || bytes.Length == 0)
            throw new ArgumentException("the ticket is not in its text form", nameof(ticket));
        return Bind(app, user, _ => ValueTask.FromResult(ticket));
    }

    /// <summary>
    /// Ends a binding: no message of it is handled after the task ends, except one whose handler is running. Upstream messages
    /// without an answer are given up. Does nothing when it is not bound.
    /// </summary>
    public async Task UnbindAsync(string app, string user, CancellationToken cancellationToken = default)
    {
        if (_bindings.Find(app, user) is not { } binding)
            return;
        if (binding.TrySet(BindingState.Unbound, ReasonCode.Ok))
            OnBinding(new BindingChange(binding, BindingState.Unbound, ReasonCode.Ok));
        _outbox.Fail(binding, ReasonCode.UnknownTarget, "the application ended the binding");
        if (_outbox.SessionOf(binding) is { } session)
            await session.Connection.UnbindAsync(session).WaitAsync(cancellationToken);
        if (_bindings.Remove(binding))
            _store.Release(binding.UserState);
    }

    /// <summary>
    /// Starts connecting and returns at once; <see cref="PushBinding.WaitBoundAsync"/> waits for the first success. After
    /// <see cref="ClientState.Stopped"/> it starts again. Throws <see cref="InvalidOperationException"/> when it runs or has no handler.
    /// </summary>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_handler is null)
                throw new InvalidOperationException("OnMessage has to be called before StartAsync");
            if (_run is { Completion.IsCompleted: false })
                throw new InvalidOperationException("the client is started already");
            _outbox.SetOpen(true);
            _run = new ClientRun(_context, _loop, _handler, OnState);
        }
        if (_store.SetAsidePath is { } aside)
            OnError(new ClientError(ClientErrorKind.Store, $"the store was not readable and was put aside as {aside}; messages may show again", null));
        else if (_store.Damaged > 0)
            OnError(new ClientError(ClientErrorKind.Store, $"{_store.Damaged} damaged records of the store were skipped; messages may show again", null));
        return Task.CompletedTask;
    }

    /// <summary>
    /// Waits for the handler that is running, sends the last acknowledgements, closes; each at most
    /// <see cref="PushClientOptions.StopTimeout"/>. Upstream messages without an answer are given up. The bindings stay, for another start.
    /// </summary>
    public Task StopAsync()
    {
        ClientRun? run;
        lock (_lock)
            run = _run;
        return run?.StopAsync() ?? Task.CompletedTask;
    }

    /// <summary>Ends a wait between two attempts, for instance when the device's network came back. Keeps the back-off as it is.</summary>
    public void RetryNow() => _loop.RetryNow();

    /// <summary>
    /// Sends a text upstream; see the overload with bytes.
    /// </summary>
    public Task<long> SendAsync(string app, string user, string type, string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return SendAsync(app, user, type, PayloadKind.Text, System.Text.Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    /// <summary>
    /// Sends a message to the app's business and waits until the server has stored it; returns its id. While the connection is away the
    /// message waits and is sent again with the same id, so that the business gets it once. Throws <see cref="PushSendException"/> when it is
    /// refused or given up, <see cref="InvalidOperationException"/> when the client is not started or (app, user) is not bound,
    /// <see cref="ArgumentException"/> for a bad type (1 to 32 UTF-8 bytes). Cancelled: it may or may not have been stored.
    /// </summary>
    public async Task<long> SendAsync(
        string app, string user, string type, PayloadKind kind, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken = default)
    {
        ClientText.Check(type, ProtocolLimits.MaxSendTypeBytes, nameof(type));
        if (kind > PayloadKind.Json)
            throw new ArgumentException($"payload kind {kind} is not known", nameof(kind));
        if (payload.Length > ProtocolLimits.MaxServerBody)
            throw new PushSendException(ReasonCode.PayloadTooLarge, $"the payload has {payload.Length} bytes; at most {ProtocolLimits.MaxServerBody} are possible");
        cancellationToken.ThrowIfCancellationRequested();
        var binding = _bindings.Find(app, user) ?? throw new InvalidOperationException($"{app}/{user} is not bound");
        var send = _outbox.Add(binding, type, kind, payload.ToArray());
        try
        {
            return await send.Completion.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _outbox.Cancel(send);
            throw;
        }
    }

    /// <summary>Stops the client, closes the store and makes the client unusable.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
        }
        await StopAsync();
        foreach (var binding in _bindings.All)
            binding.TrySet(BindingState.Unbound, ReasonCode.Ok);
        _loop.Dispose();
        _store.Dispose();
    }

    private void OnState(StateChange change)
    {
        _state = change.State;
        Raise(StateChanged, change);
    }

    private void OnBinding(BindingChange change) => Raise(BindingChanged, change);

    private void OnReset(StreamReset reset) => Raise(StreamReset, reset);

    private void OnError(ClientError error)
    {
        foreach (var handler in Delegate.EnumerateInvocationList(ErrorOccurred))
        {
            try
            {
                handler(error);
            }
            catch (Exception)
            {
                // There is nobody left to tell.
            }
        }
    }

    private void Raise<T>(Action<T>? handlers, T value)
    {
        foreach (var handler in Delegate.EnumerateInvocationList(handlers))
        {
            try
            {
                handler(value);
            }
            catch (Exception e)
            {
                OnError(new ClientError(ClientErrorKind.EventHandler, $"a handler of {typeof(T).Name} failed: {e.Message}", e));
            }
        }
    }
}
