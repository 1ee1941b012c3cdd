using System.Globalization;
using PushSystem.Redis;
using PushSystem.Saver.Landing;
using StackExchange.Redis;

namespace PushSystem.Saver.Redis;

/// <summary>What redis had when a partition was taken.</summary>
/// <param name="IsSame">The last owner was this process, with its last token: nobody changed anything in between.</param>
/// <param name="Loss">Why data was or may have been lost; null when it was not.</param>
/// <param name="IsRewind">redis is behind what it had confirmed to this process.</param>
internal readonly record struct Taken(bool IsSame, long Jseq, string? Loss, bool IsRewind);

/// <summary>
/// Who owns a partition, as far as this process knows: the token that every batch carries, and the highest number that redis confirmed.
/// A partition is taken by counting a fence in redis, by whoever is asked for it; the former owner's batches are refused from then on.
/// Touched by the partition's loop alone; the properties may be read by any thread.
/// </summary>
internal sealed class PartitionOwner(int part, PartitionKeys keys, IRedisLink link, string nodeId, ClusterSaverOptions options, TimeProvider time)
{
    private string? _lastToken;
    private volatile bool _owned;
    private long _jseq;
    private uint _epoch;
    private bool _isNew;

    public bool IsOwned => _owned;

    public string Token { get; private set; } = "";
    public long Fence { get; private set; }

    /// <summary>The least fence for the next taking: the landing tier knows a higher one.</summary>
    public long LeastFence { get; set; }

    /// <summary>The highest number known; kept when the ownership ends, so that a rewind shows.</summary>
    public long Jseq
    {
        get => Interlocked.Read(ref _jseq);
        set => Interlocked.Exchange(ref _jseq, value);
    }

    /// <summary>The partition's epoch; the epochs of its mailboxes begin at <see cref="BaseEpoch"/>.</summary>
    public uint Epoch => Volatile.Read(ref _epoch);

    public uint BaseEpoch => Epoch * EpochEnd.Stride;

    /// <summary>False while mailboxes of the former epoch may wait in the landing tier.</summary>
    public bool IsFull { get; set; }

    public int Buckets { get; private set; }

    /// <summary>The data that redis stands on, as recorded.</summary>
    public string DataId { get; set; } = "";

    public string MeasuredDataId { get; private set; } = "";

    /// <summary>Takes the partition. It is owned after <see cref="Accept"/> or <see cref="BeginEpochAsync"/> only.</summary>
    public async Task<Taken> TakeAsync(CancellationToken cancellationToken)
    {
        _owned = false;
        Token = $"{nodeId}/{Guid.NewGuid():N}";
        var answer = (RedisResult[])(await link.EvalAsync(
            MailboxScripts.Take, [keys.Meta], [Token, nodeId, time.GetUtcNow().ToUnixTimeMilliseconds(), LeastFence], cancellationToken))!;
        // Behind the taking: whoever is promoted after this does not know the token.
        MeasuredDataId = await link.DataIdAsync(keys.Meta, cancellationToken);
        Fence = Number(answer[0]);
        var formerToken = (string?)answer[1];
        var isSame = formerToken is not null && formerToken == _lastToken;
        _lastToken = Token;
        _isNew = answer[3].IsNull;
        var epoch = (uint)Number(answer[3]);
        var jseq = Number(answer[4]);
        DataId = (string?)answer[5] ?? "";
        IsFull = !answer[6].IsNull && Number(answer[6]) == epoch;
        Buckets = answer[7].IsNull ? options.Buckets : (int)Number(answer[7]);
        var loss = _isNew ? "redis has nothing"
            : jseq < Jseq ? $"redis is at {jseq}, it had confirmed {Jseq}"
            : !isSame && DataId != MeasuredDataId ? $"redis stands on other data ({MeasuredDataId}) than its last owner recorded ({DataId})"
            : null;
        if (loss is null)
            Volatile.Write(ref _epoch, epoch);
        else
            RedisEpoch = epoch;
        return new Taken(isSame, jseq, loss, jseq < Jseq);
    }

    /// <summary>The epoch that redis has, when data was lost.</summary>
    public uint RedisEpoch { get; private set; }

    /// <summary>Nothing was lost: owned from here on.</summary>
    public void Accept(long jseq)
    {
        Jseq = jseq;
        _owned = true;
    }

    /// <summary>The epoch that the landing tier has begun comes into redis; owned afterwards. False: somebody else took the partition.</summary>
    public async Task<bool> BeginEpochAsync(PartRow row, CancellationToken cancellationToken)
    {
        // A partition that neither redis nor the landing tier has ever seen has nothing to be filled with.
        var full = _isNew && row.Epoch == 1 ? 1 : 0;
        var done = await link.EvalAsync(
            MailboxScripts.BeginEpoch, [keys.Meta, keys.Journal, keys.KnownUsers],
            [Token, row.Epoch, row.Jseq, MeasuredDataId, full, Buckets, row.Fence], cancellationToken);
        if (Number(done) != 1)
            return false;
        Volatile.Write(ref _epoch, row.Epoch);
        IsFull = full == 1;
        DataId = MeasuredDataId;
        Jseq = row.Jseq;
        _owned = true;
        return true;
    }

    /// <summary>The ownership is over or in doubt.</summary>
    public void Lose() => _owned = false;

    /// <inheritdoc/>
    public override string ToString() => $"partition {part}";

    private static long Number(RedisResult result) =>
        result.IsNull ? 0 : long.Parse((string)result!, NumberStyles.Integer, CultureInfo.InvariantCulture);
}

/// <summary>A batch was refused with nothing done: the partition has to be taken again.</summary>
internal sealed class BatchRefusedException(long code) : Exception($"The batch was refused ({code}).")
{
    public long Code => code;
}
