namespace PushSystem.Saver.Landing;

/// <summary>What has to reach the landing tier. Numbers are stored.</summary>
internal enum LandingKind : byte
{
    /// <summary>A message, if it still waits then.</summary>
    Message = 1,
    /// <summary>The mailbox's state, and the removal of messages below its first waiting one.</summary>
    State = 2,
    /// <summary>A message that was set aside.</summary>
    Parked = 3,
}

/// <summary>
/// One thing that a batch left to be landed. <see cref="Packed"/> is the message while there is room to keep it in memory, always for
/// <see cref="LandingKind.Parked"/>; otherwise it is read from redis.
/// </summary>
internal sealed class LandingItem(LandingKind kind, byte[] user, long seq, uint epoch, byte[]? packed)
{
    /// <summary>Counted for each item besides its message.</summary>
    public const int Overhead = 96;

    public LandingKind Kind => kind;
    public byte[] User => user;
    public long Seq => seq;
    public uint Epoch => epoch;
    public byte[]? Packed { get; private set; } = packed;

    /// <summary>The landing tier refuses this row; it lies in the table of rejected rows.</summary>
    public bool IsRejected { get; set; }

    public int Cost => Overhead + (Packed?.Length ?? 0);

    /// <summary>The message was read from redis again.</summary>
    public void Remember(byte[] message) => Packed = message;

    /// <summary>Gives up the copy; the message is read from redis when it is needed.</summary>
    public void Forget()
    {
        if (kind == LandingKind.Message)
            Packed = null;
    }
}
