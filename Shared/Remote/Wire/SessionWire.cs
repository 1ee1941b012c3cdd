using PushSystem.Contracts;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Wire;

/// <summary>Session entries between contract types and node messages. Pure.</summary>
internal static class SessionWire
{
    /// <summary>A session without a user stands for "none".</summary>
    public static P.Session To(SessionEntry? entry) => entry is null ? new P.Session() : new P.Session
    {
        User = CommonWire.To(entry.Key), Room = entry.Room, Incarnation = entry.Incarnation, Connection = entry.Connection,
        Generation = entry.Generation, Device = entry.Device, RemoteAddress = entry.RemoteAddress, BoundAt = entry.BoundAt,
    };

    public static SessionEntry? From(P.Session? session) => session?.User is null ? null : new SessionEntry
    {
        Key = CommonWire.From(session.User), Room = session.Room, Incarnation = session.Incarnation, Connection = session.Connection,
        Generation = session.Generation, Device = session.Device, RemoteAddress = session.RemoteAddress, BoundAt = session.BoundAt,
    };

    public static SessionEntry[] Entries(P.Sessions sessions)
    {
        var entries = new SessionEntry[sessions.Sessions_.Count];
        for (var i = 0; i < entries.Length; i++)
            entries[i] = From(sessions.Sessions_[i]) ?? throw CommonWire.Missing($"sessions[{i}].user");
        return entries;
    }
}
