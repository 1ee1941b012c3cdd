namespace PushSystem.Remote;

/// <summary>How contracts are called over links. Immutable once used.</summary>
public sealed class RemoteOptions
{
    /// <summary>Longest time of a call that reads or changes stored data. Default 5 s.</summary>
    public TimeSpan StoreTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time of a call to a room. Default 3 s.</summary>
    public TimeSpan RoomTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Longest time of a call to a coordinator. Default 10 s.</summary>
    public TimeSpan CoordinatorTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How many nodes are tried for one call, the first included. Default 3.</summary>
    public int Attempts { get; set; } = 3;

    /// <summary>Throws <see cref="ArgumentException"/> that names the setting and the limit.</summary>
    public void Validate()
    {
        Check(StoreTimeout, nameof(StoreTimeout));
        Check(RoomTimeout, nameof(RoomTimeout));
        Check(CoordinatorTimeout, nameof(CoordinatorTimeout));
        if (Attempts is < 1 or > 16)
            throw new ArgumentException($"{nameof(Attempts)}: {Attempts} must be 1 to 16");
    }

    private static void Check(TimeSpan value, string name)
    {
        if (value < TimeSpan.FromMilliseconds(50) || value > TimeSpan.FromMinutes(5))
            throw new ArgumentException($"{name}: {value} must be 50 milliseconds to 5 minutes");
    }
}
