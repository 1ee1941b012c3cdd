namespace PushSystem.Transport;

/// <summary>
/// Names one connection of one shard: a slot in the shard's table and the slot's generation. A stale reference never
/// reaches the slot's next owner, because every use compares the generation.
/// </summary>
public readonly record struct ConnectionRef(int Slot, uint Generation)
{
    /// <summary>No connection.</summary>
    public static readonly ConnectionRef None = new(-1, 0);

    /// <inheritdoc/>
    public override string ToString() => $"{Slot}.{Generation}";
}
