using System.Buffers.Binary;
using PushSystem.Contracts;
using PushSystem.Saver.Idempotency;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>
/// Takes an idempotency key, or finds out who has it.
/// <code>claim in redis: when it was made (8 bytes, Unix milliseconds), fingerprint (32 bytes)</code>
/// </summary>
internal sealed class ClaimOperation(string app, IdempotencyClaim claim) : MailboxOperation
{
    private const long KeptBeyond = 60_000;

    private byte[]? _stored;
    private bool _read;

    /// <summary>When the claim was made, the first time it was.</summary>
    public long ClaimedAt { get; private set; }

    /// <summary>The key belongs to another request.</summary>
    public bool IsConflict { get; private set; }

    public override void Reset() => _read = false;

    public override void AddUsers(ISet<UserKey> users)
    {
    }

    public override void Prefetch(HotBatch reads, HotTable table)
    {
        if (_read)
            return;
        reads.ReadValue(reads.Keys.Claim(app, claim.Key), stored =>
        {
            _stored = stored;
            _read = true;
        });
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        if (!_read)
            return false;
        var stored = table.ValueOf('i', app, claim.Key) ?? _stored;
        if (stored is { Length: 8 + IdempotencyRows.FingerprintBytes }
            && BinaryPrimitives.ReadInt64LittleEndian(stored) is var at && at > batch.Now - IdempotencyRows.KeptFor)
        {
            ClaimedAt = at;
            IsConflict = !stored.AsSpan(8).SequenceEqual(claim.Fingerprint.Span);
            return true;
        }
        ClaimedAt = batch.Now;
        IsConflict = false;
        var value = new byte[8 + IdempotencyRows.FingerprintBytes];
        BinaryPrimitives.WriteInt64LittleEndian(value, batch.Now);
        claim.Fingerprint.CopyTo(value.AsMemory(8));
        batch.SetValue(batch.Keys.Claim(app, claim.Key), value, IdempotencyRows.KeptFor + KeptBeyond);
        table.NoteValue('i', app, claim.Key, value);
        return true;
    }
}
