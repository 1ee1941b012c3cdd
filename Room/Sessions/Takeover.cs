using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Sessions;

/// <summary>
/// Kicks, and sessions that give way to newer ones of the same user. Owned by its shard, used on its turn only; nothing needs
/// disposal. What cannot be decided yet (the session is being bound or moved) is noted and decided later.
/// </summary>
internal sealed class Takeover(RoomShard shard)
{
    /// <summary>False: the session here is not the one meant.</summary>
    public bool Kick(int slot, long generation, ReasonCode reason)
    {
        ref var session = ref shard.Sessions[slot];
        if (generation != 0 && !session.Answers(generation))
            return false;
        if (IsUndecided(session) || (generation != 0 && session.RegistryGeneration != generation))
        {
            session.PendingKick = reason == ReasonCode.Ok ? ReasonCode.Kicked : reason;
            session.PendingKickGeneration = generation;
            return true;
        }
        shard.Ender.End(slot, reason == ReasonCode.Replaced ? SessionEnd.Replaced : SessionEnd.Kicked, reason);
        return true;
    }

    /// <summary>The registry holds a session of this user with a higher generation. True when the one here has given way.</summary>
    public bool Supersede(int slot, long generation)
    {
        ref var session = ref shard.Sessions[slot];
        session.SupersededBy = Math.Max(session.SupersededBy, generation);
        if (IsUndecided(session) || session.RegistryGeneration >= generation)
            return false;
        Replace(slot);
        return true;
    }

    /// <summary>
    /// The session's generation is known, or its move is complete: carries out what was noted. Ok when it is still in force, else why
    /// it is not; while it is being bound, ending it is left to the caller.
    /// </summary>
    public ReasonCode Settle(int slot)
    {
        ref var session = ref shard.Sessions[slot];
        if (session.SupersededBy > session.RegistryGeneration)
        {
            if (session.Phase != SessionPhase.Binding)
                Replace(slot);
            return ReasonCode.Replaced;
        }
        var kick = session.PendingKick;
        session.PendingKick = ReasonCode.Ok;
        if (kick == ReasonCode.Ok || (session.PendingKickGeneration != 0 && session.PendingKickGeneration != session.RegistryGeneration))
            return ReasonCode.Ok;
        if (session.Phase != SessionPhase.Binding)
            shard.Ender.End(slot, kick == ReasonCode.Replaced ? SessionEnd.Replaced : SessionEnd.Kicked, kick);
        return kick;
    }

    /// <summary>The registry has put these sessions in: older ones here and in other rooms give way.</summary>
    public void Announce(IReadOnlyList<(UserKey Key, long Generation, SessionRef Session)> registered, IReadOnlyList<SessionEntry> previous)
    {
        var contested = new List<(UserKey, long)>();
        foreach (var (key, generation, session) in registered)
        {
            if (shard.Room.Index.TryFind(key, out var first, out var others) && (others is not null || first != session))
                contested.Add((key, generation));
        }
        if (contested.Count > 0)
            new SupersedeBatch(shard.Room, contested).Start();
        foreach (var entry in previous)
        {
            if (entry.Room != shard.Room.Identity.NodeId && shard.Room.Services.Rooms?.Find(entry.Room, entry.Incarnation) is { } other)
                _ = KickElsewhereAsync(other, entry);
        }
    }

    private void Replace(int slot)
    {
        shard.Room.Metrics.Replaced();
        shard.Ender.End(slot, SessionEnd.Replaced, ReasonCode.Replaced);
    }

    private async Task KickElsewhereAsync(IRoomNode room, SessionEntry entry)
    {
        try
        {
            await shard.Room.Stores.AskAsync(cancellationToken =>
                room.KickAsync([new KickItem(entry.Key, entry.Generation, ReasonCode.Replaced)], cancellationToken));
        }
        catch (Exception exception)
        {
            // The registry no longer leads to the old session; its room finds out when it unbinds.
            shard.Room.CallFailed("IRoomNode.KickAsync", exception);
        }
    }

    private bool IsUndecided(in SessionState session) =>
        session.Phase == SessionPhase.Binding || shard.Clients[session.Client].Phase is ClientPhase.Leaving or ClientPhase.Arriving;
}
