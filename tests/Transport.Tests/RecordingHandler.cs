using System.Buffers;
using System.Net;

namespace PushSystem.Transport.Tests;

/// <summary>
/// A handler that records every call and does what the test set. The hooks run on the shard's turn; the records may be read
/// from any thread.
/// </summary>
internal sealed class RecordingHandler(ITransportShard shard) : IConnectionHandler
{
    private readonly Lock _lock = new();
    private readonly List<ConnectionRef> _accepted = [];
    private readonly List<ConnectionRef> _drained = [];
    private readonly List<(ConnectionRef Connection, long Now)> _expired = [];
    private readonly List<(ConnectionRef Connection, CloseCause Cause)> _closed = [];
    private readonly HashSet<ConnectionRef> _gone = [];
    private readonly List<string> _violations = [];
    private int _ticks;
    private int _turns;

    public delegate void ReceivedHook(ITransportShard shard, ConnectionRef connection, ref ReadOnlySequence<byte> input);

    public ITransportShard Shard => shard;

    public Action<ITransportShard, ConnectionRef>? OnAccepted { get; set; }

    /// <summary>By default input is taken and forgotten.</summary>
    public ReceivedHook OnReceived { get; set; } = static (ITransportShard _, ConnectionRef _, ref ReadOnlySequence<byte> input) => input = input.Slice(input.End);

    public Action<ITransportShard, ConnectionRef>? OnDrained { get; set; }

    public Action<ITransportShard, ConnectionRef>? OnExpired { get; set; }

    public Action<ITransportShard, ConnectionRef>? OnClosed { get; set; }

    public Action<ITransportShard>? OnTurnEnded { get; set; }

    public int Ticks => Volatile.Read(ref _ticks);

    public int Turns => Volatile.Read(ref _turns);

    public ConnectionRef[] AcceptedConnections => Copy(_accepted);

    public ConnectionRef[] DrainedConnections => Copy(_drained);

    public (ConnectionRef Connection, long Now)[] ExpiredConnections => Copy(_expired);

    public (ConnectionRef Connection, CloseCause Cause)[] ClosedConnections => Copy(_closed);

    /// <summary>Calls for a connection after its Closed, or a second Closed.</summary>
    public string[] Violations => Copy(_violations);

    public void Accepted(ConnectionRef connection, IPEndPoint remote)
    {
        Record(connection, _accepted, connection, nameof(Accepted));
        OnAccepted?.Invoke(shard, connection);
    }

    public void Received(ConnectionRef connection, ref ReadOnlySequence<byte> input)
    {
        Check(connection, nameof(Received));
        OnReceived(shard, connection, ref input);
    }

    public void Drained(ConnectionRef connection)
    {
        Record(connection, _drained, connection, nameof(Drained));
        OnDrained?.Invoke(shard, connection);
    }

    public void Expired(ConnectionRef connection)
    {
        Record(connection, _expired, (connection, shard.Now), nameof(Expired));
        OnExpired?.Invoke(shard, connection);
    }

    public void Closed(ConnectionRef connection, CloseCause cause)
    {
        Record(connection, _closed, (connection, cause), nameof(Closed));
        lock (_lock)
            _gone.Add(connection);
        OnClosed?.Invoke(shard, connection);
    }

    public void TurnEnded()
    {
        Interlocked.Increment(ref _turns);
        OnTurnEnded?.Invoke(shard);
    }

    public void Tick(long now) => Interlocked.Increment(ref _ticks);

    private void Record<T>(ConnectionRef connection, List<T> list, T entry, string member)
    {
        Check(connection, member);
        lock (_lock)
            list.Add(entry);
    }

    private void Check(ConnectionRef connection, string member)
    {
        lock (_lock)
        {
            if (_gone.Contains(connection))
                _violations.Add($"{member} of {connection} after Closed");
        }
    }

    private T[] Copy<T>(List<T> list)
    {
        lock (_lock)
            return [.. list];
    }
}
