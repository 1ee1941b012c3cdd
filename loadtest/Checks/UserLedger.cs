namespace PushSystem.Loadtest.Checks;

/// <summary>
/// What was sent to one user and what the user received. <see cref="Accepted"/>, <see cref="Unknown"/> and <see cref="Sent"/> belong to
/// the sender that owns the user (or to the one sender of broadcasts, for all users alike), the rest to the user's client loop.
/// </summary>
internal sealed class UserLedger(BitLog accepted, BitLog unknown)
{
    // One late message in a thousand tells the same as all of them.
    private const int MaxLate = 1_000;

    /// <summary>Numbers that the API said it will deliver.</summary>
    public BitLog Accepted { get; } = accepted;

    /// <summary>Numbers whose fate the API left open: timeouts, broken connections, 5xx.</summary>
    public BitLog Unknown { get; } = unknown;

    /// <summary>Numbers that reached the user.</summary>
    public BitLog Received { get; } = new();

    /// <summary>Highest number handed to the API so far.</summary>
    public long Sent;

    /// <summary>Numbers that came after a higher one.</summary>
    public List<long>? Late { get; private set; }

    /// <summary>Stream positions that a RESET said will not come.</summary>
    public long Covered { get; set; }

    /// <summary>A RESET told that stored data was lost: it covers everything that is missing.</summary>
    public bool DataLost { get; set; }

    private long _highest;

    /// <summary>False when it was received before.</summary>
    public bool Receive(long number)
    {
        if (!Received.Add(number))
            return false;
        if (number < _highest)
        {
            Late ??= [];
            if (Late.Count < MaxLate)
                Late.Add(number);
        }
        else
        {
            _highest = number;
        }
        return true;
    }
}
