using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>What a client is doing.</summary>
public enum ClientState : byte
{
    /// <summary>Not started, stopped, or told by the server to stay away. Start it again when the application wants to.</summary>
    Stopped,
    /// <summary>Started, but nothing is bound: no connection is held.</summary>
    Idle,
    /// <summary>Looking for a room, connecting or logging in.</summary>
    Connecting,
    /// <summary>Logged in.</summary>
    Online,
    /// <summary>Waiting before the next attempt.</summary>
    BackingOff,
}

/// <summary>
/// The client's state changed. <see cref="Reason"/>: what ended the connection, Ok when there is nothing to say;
/// <see cref="RetryIn"/>: only with <see cref="ClientState.BackingOff"/>; <see cref="Detail"/>: for logs.
/// </summary>
public sealed record StateChange(ClientState State, ReasonCode Reason, TimeSpan? RetryIn, string Detail);

/// <summary>What a binding is doing.</summary>
public enum BindingState : byte
{
    /// <summary>Waiting for a connection, a ticket or a retry.</summary>
    Waiting,
    /// <summary>Bound: messages arrive.</summary>
    Bound,
    /// <summary>Refused for good, kicked or replaced; call <see cref="PushClient.Bind(string, string, Func{CancellationToken, ValueTask{string}})"/> to try again.</summary>
    Failed,
    /// <summary>Ended by the application.</summary>
    Unbound,
}

/// <summary>A binding's state changed. <see cref="Reason"/> is Ok unless the server said one.</summary>
public sealed record BindingChange(PushBinding Binding, BindingState State, ReasonCode Reason);

/// <summary>
/// Messages of a stream will not come: everything after <see cref="From"/> (the last one processed) up to <see cref="To"/>. With
/// different epochs the number is not known. The application reloads what it needs from the business. Reason
/// <see cref="ResetReason.None"/>: the server went on behind a gap without telling why.
/// </summary>
public sealed record StreamReset(PushBinding Binding, StreamKind Stream, StreamPosition From, StreamPosition To, ResetReason Reason);

/// <summary>Which part had an error.</summary>
public enum ClientErrorKind : byte
{
    /// <summary>The message handler threw; a stored message will be delivered again.</summary>
    Handler,
    /// <summary>An event handler of the application threw; the client goes on.</summary>
    EventHandler,
    /// <summary>A ticket provider threw, took too long or gave no ticket; it will be asked again.</summary>
    TicketProvider,
    /// <summary>The store could not be written; acknowledgements wait until it can.</summary>
    Store,
    /// <summary>The server sent something that the protocol does not allow; the client reconnects.</summary>
    Protocol,
    /// <summary>The dispatcher could not be asked; known addresses are used.</summary>
    Dispatcher,
}

/// <summary>An error that did not stop the client.</summary>
public sealed record ClientError(ClientErrorKind Kind, string Detail, Exception? Exception);
