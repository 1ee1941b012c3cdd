namespace PushSystem.Client.Connections;

/// <summary>Life of a session; only goes forward.</summary>
internal enum SessionStatus : byte
{
    /// <summary>Bound.</summary>
    Active,
    /// <summary>UNBIND was sent; what still arrives is dropped.</summary>
    Ending,
    /// <summary>UNBIND_OK or GOAWAY came; the index is dead.</summary>
    Ended,
}

/// <summary>
/// One binding on one connection: the pair that an app index stands for.
/// Owned by its connection; the status is changed by the connection and read by any thread; nothing to dispose.
/// </summary>
internal sealed class ClientSession(ServerConnection connection, PushBinding binding, int index, long boundAt)
{
    private volatile SessionStatus _status;

    public ServerConnection Connection { get; } = connection;
    public PushBinding Binding { get; } = binding;
    public int Index { get; } = index;

    /// <summary>Timestamp of the binding, for the back-off.</summary>
    public long BoundAt { get; } = boundAt;

    public SessionStatus Status
    {
        get => _status;
        set => _status = value;
    }

    /// <summary>Ends when no more frames for the index can come.</summary>
    public TaskCompletionSource Gone { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>What a lost connection leaves behind, so that the next one can RESUME.</summary>
internal sealed record ResumeOffer(ReadOnlyMemory<byte> Ticket, long LostAt, TimeSpan Validity, Routing.RoomEndpoint Endpoint, IReadOnlyList<ClientSession> Sessions);
