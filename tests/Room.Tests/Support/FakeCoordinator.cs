using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Tests.Support;

/// <summary>Remembers what it was told.</summary>
internal sealed class FakeCoordinator : ICoordinator
{
    private readonly Lock _lock = new();
    private readonly List<PresenceChange> _presence = [];
    private readonly List<UpstreamMessage> _messages = [];

    public CallScript Script { get; } = new();
    public Func<UpstreamMessage, UpstreamReply> Answer { get; set; } = _ => new UpstreamReply(ReasonCode.Ok, 0);

    public List<PresenceChange> Presence
    {
        get
        {
            lock (_lock)
                return [.. _presence];
        }
    }

    public List<UpstreamMessage> Messages
    {
        get
        {
            lock (_lock)
                return [.. _messages];
        }
    }

    public async ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(SubmitAsync), cancellationToken);
        lock (_lock)
            _messages.Add(message);
        await Script.After(nameof(SubmitAsync), cancellationToken);
        return Answer(message);
    }

    public async ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(NotifyAsync), cancellationToken);
        lock (_lock)
            _presence.AddRange(changes);
    }

    public ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken) => throw new NotSupportedException();
}
