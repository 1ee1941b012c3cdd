namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// The waiting events of one user, in order. Only the first is ever in flight. Touched by the app's loop only.
/// </summary>
internal sealed class UserLane(string user)
{
    public string User { get; } = user;

    /// <summary>Known events, oldest first.</summary>
    public Queue<WaitingEvent> Events { get; } = new();

    /// <summary>Failed attempts of the first event.</summary>
    public int Failures { get; set; }
}

/// <summary>A stored event; without its body when memory is short or the event has to wait.</summary>
internal sealed class WaitingEvent(long id, string type, long createdAt)
{
    public long Id { get; } = id;
    public string Type { get; } = type;
    public long CreatedAt { get; } = createdAt;
    public ReadOnlyMemory<byte>? Body { get; set; }
}
