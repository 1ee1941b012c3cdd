namespace PushSystem.Register;

/// <summary>Settings of the session registry. Checked by <see cref="Validate"/> when the registry is made.</summary>
public sealed class RegisterOptions
{
    /// <summary>Parts of the map with a lock each, from 1 to 4,096. Default 64.</summary>
    public int Shards { get; set; } = 64;

    /// <summary>
    /// Pause between two rounds of removing the entries of dead rooms; a room must be dead in two rounds. Default 1 minute.
    /// </summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> naming the option.</summary>
    public void Validate()
    {
        if (Shards is < 1 or > 4_096)
            throw new ArgumentOutOfRangeException(nameof(Shards), Shards, "Register:Shards must be from 1 to 4096");
        if (SweepInterval < TimeSpan.FromSeconds(1) || SweepInterval > TimeSpan.FromDays(1))
            throw new ArgumentOutOfRangeException(nameof(SweepInterval), SweepInterval, "Register:SweepInterval must be from 1 s to 1 day");
    }
}
