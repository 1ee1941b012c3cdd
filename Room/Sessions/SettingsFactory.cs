using PushSystem.Protocol;

namespace PushSystem.Room.Sessions;

/// <summary>Makes what LOGIN_OK and RESUME_OK tell about a connection. On the shard's turn.</summary>
internal static class SettingsFactory
{
    public static SessionSettings Create(RoomShard shard, ClientRef client, byte version)
    {
        var options = shard.Options;
        var connectionId = shard.Clients[client.Slot].ConnectionId;
        return new SessionSettings
        {
            Version = version,
            Features = Features.Resume | Features.Pull | Features.Upstream,
            ConnectionId = connectionId,
            ResumeTicket = shard.Room.Tickets.Seal(new ResumeTarget(shard.Index, client, connectionId)),
            ResumeSeconds = (int)Math.Ceiling(options.GracePeriod.TotalSeconds),
            HeartbeatMinSeconds = (int)options.HeartbeatMin.TotalSeconds,
            HeartbeatMaxSeconds = (int)options.HeartbeatMax.TotalSeconds,
            HeartbeatDefaultSeconds = (int)options.HeartbeatDefault.TotalSeconds,
            AckCount = options.AckCount,
            AckDelayMilliseconds = (int)options.AckDelay.TotalMilliseconds,
            FrameLimit = options.ClientBodyBytes,
            ServerTime = shard.Room.UnixNow,
            AddressTtlSeconds = options.Addresses.Count == 0 ? 0 : (int)options.AddressTtl.TotalSeconds,
            Addresses = [.. options.Addresses],
        };
    }
}
