namespace PushSystem.Center.Tasks;

/// <summary>
/// Tells the other centers that an app's tasks have changed, so that the one that runs them need not wait for its next look. Optional:
/// without it they notice within <see cref="CenterOptions.PollInterval"/> while they know of unfinished work. A lost call costs that
/// wait and nothing else.
/// </summary>
public interface ITaskWakeUps
{
    /// <summary>Completes when the others have been told, as far as they can be reached.</summary>
    ValueTask WakeAsync(string app, CancellationToken cancellationToken);
}

/// <summary>Where another center's wake-up arrives. Thread-safe; never waits.</summary>
public sealed class TaskWakes
{
    internal event Action<string>? Woken;

    /// <summary>The app's tasks have changed in the store.</summary>
    public void Wake(string app) => Woken?.Invoke(app);
}
