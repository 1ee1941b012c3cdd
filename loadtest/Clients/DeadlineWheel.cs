namespace PushSystem.Loadtest.Clients;

/// <summary>
/// One deadline for each client, 100 ms apart. Moving a deadline later costs nothing until its old place is visited. Used by
/// one loop's thread.
/// </summary>
internal sealed class DeadlineWheel
{
    /// <summary>Milliseconds of a tick.</summary>
    public const int TickMilliseconds = 100;
    private const int Slots = 1_024;

    private readonly List<VirtualClient>[] _slots = new List<VirtualClient>[Slots];
    private readonly List<VirtualClient> _visiting = [];
    private long _tick;

    public DeadlineWheel(long now)
    {
        _tick = now / TickMilliseconds;
        for (var i = 0; i < Slots; i++)
            _slots[i] = [];
    }

    /// <summary>Sets the client's deadline, replacing the earlier one.</summary>
    public void Set(VirtualClient client, long deadline)
    {
        client.Deadline = deadline;
        if (deadline == long.MaxValue)
            return;
        var tick = Math.Clamp((deadline / TickMilliseconds) + 1, _tick + 1, _tick + Slots - 1);
        if (client.WheelTick > _tick && client.WheelTick <= tick)
            return; // It is visited earlier and put on from there.
        client.WheelTick = tick;
        _slots[tick % Slots].Add(client);
    }

    /// <summary>Calls <paramref name="due"/> for every client whose deadline has passed; the call sets the next deadline.</summary>
    public void Advance(long now, Action<VirtualClient> due)
    {
        var target = now / TickMilliseconds;
        while (_tick < target)
        {
            _tick++;
            var slot = _slots[_tick % Slots];
            if (slot.Count == 0)
                continue;
            _visiting.AddRange(slot);
            slot.Clear();
            foreach (var client in _visiting)
            {
                if (client.WheelTick != _tick)
                    continue; // A place that was given up for an earlier one.
                client.WheelTick = -1;
                if (client.Deadline > now)
                    Set(client, client.Deadline);
                else
                    due(client);
            }
            _visiting.Clear();
        }
    }
}
