namespace PushSystem.Room.Sessions;

/// <summary>
/// Asks the registry again and again on which data it stands, and has sessions bound again whose part has lost some. It owns its
/// loop; the room starts and disposes it. While the registry is away nothing is concluded.
/// </summary>
internal sealed class RegistryWatch(RoomContext room) : IAsyncDisposable
{
    private IReadOnlyList<long>? _seen;
    private Task _loop = Task.CompletedTask;

    public void Start() => _loop = RunAsync();

    public ValueTask DisposeAsync() => new(_loop);

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await LookAsync();
                await room.DelayAsync(room.Options.RegistryPollInterval * (0.75 + Random.Shared.NextDouble() / 2));
            }
        }
        catch (OperationCanceledException) when (room.Stopping.IsCancellationRequested)
        {
            // The room ends.
        }
        catch (Exception exception)
        {
            RoomLog.WorkFailed(room.Logger, nameof(RegistryWatch), exception);
        }
    }

    private async Task LookAsync()
    {
        IReadOnlyList<long> epochs;
        try
        {
            epochs = await room.Stores.AskAsync(room.Services.Registry.EpochsAsync);
        }
        catch (Exception exception)
        {
            room.CallFailed("ISessionRegistry.EpochsAsync", exception);
            return;
        }
        var seen = _seen;
        _seen = epochs;
        // Sessions may have been bound before the first answer, to data that is lost by now.
        if (seen is null)
        {
            _ = room.Registrations.DemandAll();
            return;
        }
        var changed = new bool[epochs.Count];
        for (var i = 0; i < changed.Length; i++)
            changed[i] = seen.Count != epochs.Count || seen[i] != epochs[i];
        var parts = changed.Count(isChanged => isChanged);
        if (parts == 0)
            return;
        RoomLog.RegistryLostData(room.Logger, parts, epochs.Count);
        room.Metrics.RegistryLost(parts);
        _ = room.Registrations.DemandParts(changed);
    }
}
