namespace PushSystem.Register;

/// <summary>Settings of the session registry. Checked by <see cref="Validate"/> when the registry is made.</summary>
public sealed class RegisterOptions
{
    /// <summary>In memory: parts of the map with a lock each, from 1 to 4,096. Default 64.</summary>
    public int Shards { get; set; } = 64;

    /// <summary>
    /// Pause between two rounds of removing the entries of dead rooms; a room must be dead in two rounds. Default 1 minute.
    /// </summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// In redis: parts, each with a hash slot of its own, from 1 to 4,096; the same for all registers of a cluster. Another number is
    /// another registry, into which the rooms bind anew. Default 64.
    /// </summary>
    public int Parts { get; set; } = 64;

    /// <summary>
    /// In redis: hashes per part, from 1 to 65,536. Best at 30 to 150 sessions in each: the default of 256 is made for 0.5 to 2 million
    /// sessions in 64 parts. The same for all registers; another number is another registry. Default 256.
    /// </summary>
    public int BucketsPerPart { get; set; } = 256;

    /// <summary>
    /// In redis: sessions that a hash may come to hold, from 1 to 10,000. Only used to see at the start whether redis keeps hashes of
    /// that size compact, and to warn if not. Default 256.
    /// </summary>
    public int BucketEntries { get; set; } = 256;

    /// <summary>In redis: beginning of all keys behind the hash tag, 1 to 32 characters without braces. Default "reg".</summary>
    public string KeyPrefix { get; set; } = "reg";

    /// <summary>In redis: most sessions of one script, from 1 to 1,000. Default 256.</summary>
    public int MaxBatch { get; set; } = 256;

    /// <summary>
    /// In redis: most sessions that wait or are under way in this process, from 1,000; further requests are refused at once. Default
    /// 200,000.
    /// </summary>
    public int MaxWaiting { get; set; } = 200_000;

    /// <summary>
    /// In redis: how long a request may wait for its turn, and after which redis does not do it any more; from 10 ms to 1 minute. Not
    /// below the link's timeout. Default 1 s.
    /// </summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>In redis: hashes that a sweep looks at per second while a dead room has entries, from 1 to 100,000. Default 500.</summary>
    public int SweepBucketsPerSecond { get; set; } = 500;

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> naming the option.</summary>
    public void Validate()
    {
        CheckRange(nameof(Shards), Shards, 1, 4_096);
        CheckRange(nameof(Parts), Parts, 1, 4_096);
        CheckRange(nameof(BucketsPerPart), BucketsPerPart, 1, 65_536);
        CheckRange(nameof(BucketEntries), BucketEntries, 1, 10_000);
        CheckRange(nameof(MaxBatch), MaxBatch, 1, 1_000);
        CheckRange(nameof(MaxWaiting), MaxWaiting, 1_000, int.MaxValue);
        CheckRange(nameof(SweepBucketsPerSecond), SweepBucketsPerSecond, 1, 100_000);
        if (KeyPrefix.Length is < 1 or > 32 || KeyPrefix.AsSpan().ContainsAny('{', '}'))
            throw new ArgumentOutOfRangeException(nameof(KeyPrefix), KeyPrefix, "Register:KeyPrefix must have 1 to 32 characters and no braces");
        if (SweepInterval < TimeSpan.FromSeconds(1) || SweepInterval > TimeSpan.FromDays(1))
            throw new ArgumentOutOfRangeException(nameof(SweepInterval), SweepInterval, "Register:SweepInterval must be from 1 s to 1 day");
        if (CallTimeout < TimeSpan.FromMilliseconds(10) || CallTimeout > TimeSpan.FromMinutes(1))
            throw new ArgumentOutOfRangeException(nameof(CallTimeout), CallTimeout, "Register:CallTimeout must be from 10 ms to 1 minute");
    }

    private static void CheckRange(string name, int value, int least, int most)
    {
        if (value < least || value > most)
            throw new ArgumentOutOfRangeException(name, value, $"Register:{name} must be from {least} to {most}");
    }
}
