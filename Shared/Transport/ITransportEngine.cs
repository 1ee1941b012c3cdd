using System.Buffers;
using System.Net;

namespace PushSystem.Transport;

/// <summary>
/// Accepts and moves bytes; knows no opcode. It owns its sockets, buffers and shards; it is started and stopped by one
/// owner, who disposes it. Connections are spread over <see cref="Shards"/> and stay where they were accepted.
/// </summary>
public interface ITransportEngine : IAsyncDisposable
{
    /// <summary>The shards, fixed from the start.</summary>
    IReadOnlyList<ITransportShard> Shards { get; }

    /// <summary>Where it listens; the port is the real one also when 0 was asked for. Valid after <see cref="StartAsync"/>.</summary>
    IReadOnlyList<IPEndPoint> EndPoints { get; }

    /// <summary>Listens and begins to call <paramref name="handlers"/>, one per shard. Throws when an address is taken.</summary>
    Task StartAsync(Func<ITransportShard, IConnectionHandler> handlers, CancellationToken cancellationToken);

    /// <summary>Stops accepting; connections live on.</summary>
    Task StopListeningAsync();
}

/// <summary>
/// One shard: everything about its connections happens on its own turn, one turn at a time, so that handlers need no lock.
/// <see cref="Post{TState}"/> may be called from any thread; every other member only on the shard's turn.
/// A <see cref="ConnectionRef"/> that is stale is ignored by every member.
/// </summary>
public interface ITransportShard
{
    /// <summary>0 … Shards.Count - 1.</summary>
    int Index { get; }

    /// <summary>Open connections now. Any thread.</summary>
    int ConnectionCount { get; }

    /// <summary>Milliseconds of the shard's monotonic clock, taken once per turn and at every tick.</summary>
    long Now { get; }

    /// <summary>
    /// Runs <paramref name="action"/> on the shard's turn, in the order posted by one thread. Any thread. False when the
    /// shard has stopped. The caller bounds what it posts.
    /// </summary>
    bool Post<TState>(Action<TState> action, TState state);

    /// <summary>
    /// Appends whole frames to the connection's output; they leave at the end of the turn in as few writes as possible.
    /// The bytes are copied if they cannot leave at once.
    /// </summary>
    SendStatus Send(ConnectionRef connection, ReadOnlySpan<byte> frames);

    /// <summary>The same for bytes that are shared by many connections and never change: they are not copied unless the
    /// connection cannot take them at once.</summary>
    SendStatus SendShared(ConnectionRef connection, ReadOnlyMemory<byte> frames);

    /// <summary>Bytes that wait for the peer, 0 when all have left or the reference is stale.</summary>
    int PendingBytes(ConnectionRef connection);

    /// <summary>
    /// Sets the connection's one deadline, in milliseconds of <see cref="Now"/>; <see cref="long.MaxValue"/> clears it. Moving
    /// it later costs one write; <see cref="IConnectionHandler.Expired"/> comes at the deadline rounded up to the wheel's tick.
    /// </summary>
    void SetDeadline(ConnectionRef connection, long deadline);

    /// <summary>Stops calling <see cref="IConnectionHandler.Received"/>: what arrives waits, up to a bound, then TCP pushes back.</summary>
    void PauseReceive(ConnectionRef connection);

    /// <summary>Ends <see cref="PauseReceive"/>; what waited is handed over in a later call on the shard's turn.</summary>
    void ResumeReceive(ConnectionRef connection);

    /// <summary>
    /// Ends the connection: at once, or after the output has left (at most <paramref name="lingerMilliseconds"/>).
    /// <see cref="IConnectionHandler.Closed"/> follows exactly once, after the handler's present call has returned; nothing else
    /// is called for it from now on. At once means that this turn's output gets one write and what is left then is dropped; the
    /// peer sees an orderly end only if nothing was dropped, otherwise a reset.
    /// </summary>
    void Close(ConnectionRef connection, CloseCause cause, int lingerMilliseconds = 0);

    /// <summary>The peer's address, or null when the reference is stale.</summary>
    IPEndPoint? RemoteEndPoint(ConnectionRef connection);
}

/// <summary>Whether bytes were taken.</summary>
public enum SendStatus
{
    /// <summary>Taken.</summary>
    Accepted,
    /// <summary>Not taken: the connection's output limit in bytes would be exceeded. Nothing of the call was kept.</summary>
    Full,
    /// <summary>Not taken: the reference is stale or the connection is closing.</summary>
    Gone,
}

/// <summary>Why a connection ended, from the transport's view.</summary>
public enum CloseCause
{
    /// <summary>The peer closed orderly.</summary>
    PeerClosed,
    /// <summary>The peer or the network reset the connection, or a write failed.</summary>
    PeerReset,
    /// <summary>The handler asked for it.</summary>
    Requested,
    /// <summary>The peer's bytes were not valid.</summary>
    ProtocolError,
    /// <summary>The handler's deadline.</summary>
    Deadline,
    /// <summary>The output limit.</summary>
    SlowConsumer,
    /// <summary>The engine was stopped.</summary>
    Shutdown,
    /// <summary>A fault in our own code.</summary>
    Fault,
}

/// <summary>
/// The protocol side of one shard. Every member is called on the shard's turn and must not block or throw; an exception
/// ends the connection with <see cref="CloseCause.Fault"/> and is logged as our bug.
/// </summary>
public interface IConnectionHandler
{
    /// <summary>A connection was accepted. Closing it here refuses it.</summary>
    void Accepted(ConnectionRef connection, IPEndPoint remote);

    /// <summary>
    /// Bytes arrived. The handler slices <paramref name="input"/> past what it used; the rest is kept and comes again with
    /// more bytes behind it. <paramref name="input"/> is valid only during the call.
    /// </summary>
    void Received(ConnectionRef connection, ref ReadOnlySequence<byte> input);

    /// <summary>Output that had to wait has left completely.</summary>
    void Drained(ConnectionRef connection);

    /// <summary>The deadline has passed. The handler closes the connection or sets a new deadline.</summary>
    void Expired(ConnectionRef connection);

    /// <summary>The connection is gone; its slot may be reused after this call.</summary>
    void Closed(ConnectionRef connection, CloseCause cause);

    /// <summary>The end of a turn in which other members were called: send what was gathered.</summary>
    void TurnEnded();

    /// <summary>Comes about every wheel tick while the shard lives, for timed work of the handler's own.</summary>
    void Tick(long now);
}
