using System.Buffers.Binary;
using PushSystem.Contracts;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>
/// The messages of one request for one partition: all in one batch or none. With a claim, what this partition answered is kept in the
/// same batch, so that a retry finds either messages and answer, or neither.
/// <code>answer in redis: when the claim was made (8 bytes, Unix milliseconds), AppendResultCodec</code>
/// </summary>
internal sealed class AppendOperation : MailboxOperation
{
    private const int DraftOverhead = 160;
    private const long KeptBeyond = 60_000;

    private readonly string _app;
    private readonly AppLimits _limits;
    private readonly StoredDraft[] _drafts;
    private readonly UserKey[] _keys;
    private readonly Dictionary<UserKey, (int Messages, long Bytes)> _sums;
    private readonly (string Key, long ClaimedAt)? _claim;
    private byte[]? _answer;
    private bool _answerRead;

    public AppendOperation(string app, AppLimits limits, StoredDraft[] drafts, (string Key, long ClaimedAt)? claim, bool durable)
    {
        (_app, _limits, _drafts, _claim, IsDurable) = (app, limits, drafts, claim, durable);
        _keys = new UserKey[drafts.Length];
        _sums = new Dictionary<UserKey, (int, long)>(drafts.Length);
        long cost = 0;
        for (var i = 0; i < drafts.Length; i++)
        {
            _keys[i] = new UserKey(app, drafts[i].User);
            var (messages, bytes) = _sums.GetValueOrDefault(_keys[i]);
            _sums[_keys[i]] = (messages + 1, bytes + drafts[i].Payload.Length);
            cost += drafts[i].Payload.Length + DraftOverhead;
        }
        Cost = (int)Math.Min(cost, int.MaxValue);
    }

    public override int Cost { get; }

    public bool IsDurable { get; }

    /// <summary>One per draft, when done.</summary>
    public AppendResult[] Results { get; private set; } = [];

    /// <summary>The results are those of an earlier time.</summary>
    public bool IsReplayed { get; private set; }

    /// <summary>What of this append has to land.</summary>
    public IReadOnlyList<LandingItem> Items { get; private set; } = [];

    /// <summary>Completes when the landing tier has what this appended; null when nobody asked for that.</summary>
    public Task? Landed { get; private set; }

    /// <summary>Set by the partition before it completes a durable append.</summary>
    public Func<Task>? WaitForLanding { get; set; }

    public override void Reset()
    {
        _answer = null;
        _answerRead = false;
    }

    public override void AddUsers(ISet<UserKey> users)
    {
        foreach (var key in _sums.Keys)
            users.Add(key);
    }

    public override void Prefetch(HotBatch reads, HotTable table)
    {
        if (_claim is { } claim && !_answerRead)
        {
            reads.ReadValue(reads.Keys.Answer(_app, claim.Key), answer =>
            {
                _answer = answer;
                _answerRead = true;
            });
        }
        foreach (var (key, (messages, bytes)) in _sums)
        {
            var mailbox = table.Get(key);
            if (MailboxChanges.WouldOverflow(mailbox, _limits, messages, bytes))
                WantHeads(reads, table, mailbox);
        }
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        if (_claim is not null && !_answerRead)
            return false;
        if (_claim is { } made && (table.ValueOf('r', _app, made.Key) ?? _answer) is { Length: >= 8 } answer
            && BinaryPrimitives.ReadInt64LittleEndian(answer) == made.ClaimedAt)
        {
            Results = AppendResultCodec.Read(answer.AsSpan(8));
            IsReplayed = true;
            Items = [];
            return true;
        }
        foreach (var (key, (messages, bytes)) in _sums)
        {
            var mailbox = table.Get(key);
            if (mailbox.Heads is null && MailboxChanges.WouldOverflow(mailbox, _limits, messages, bytes))
                return false;
        }
        IsReplayed = false;
        var first = batch.Landing.Count;
        Results = new AppendResult[_drafts.Length];
        for (var i = 0; i < _drafts.Length; i++)
            Results[i] = MailboxChanges.Append(batch, table.Get(_keys[i]), _limits, _drafts[i]);
        Items = IsDurable ? batch.Landing.GetRange(first, batch.Landing.Count - first) : [];
        batch.Appended += _drafts.Length;
        if (IsDurable)
            batch.AppendedDurable += _drafts.Length;
        if (_claim is { } claim)
        {
            var results = AppendResultCodec.Write(Results);
            var value = new byte[8 + results.Length];
            BinaryPrimitives.WriteInt64LittleEndian(value, claim.ClaimedAt);
            results.CopyTo(value, 8);
            batch.SetValue(batch.Keys.Answer(_app, claim.Key), value, IdempotencyRows.KeptFor + KeptBeyond);
            table.NoteValue('r', _app, claim.Key, value);
        }
        return true;
    }

    public override void Complete()
    {
        if (IsDurable)
            Landed = WaitForLanding!();
        base.Complete();
    }
}
