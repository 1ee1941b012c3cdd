using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>
/// Reads a range. What is read is decided when all else of the batch is, and fetched by the batch itself, so that state and messages
/// belong together.
/// </summary>
internal sealed class ReadOperation(ReadRequest request) : MailboxOperation
{
    private readonly List<(long Seq, ResetReason Gap, MessageHead Head)> _plan = [];
    private byte[][] _messages = [];
    private uint _epoch;
    private long _top;
    private long _behind;

    public override bool Writes => false;

    public ReadReply Reply { get; private set; } = null!;

    public override void AddUsers(ISet<UserKey> users) => users.Add(request.Key);

    public override void Prefetch(HotBatch reads, HotTable table)
    {
        var mailbox = table.Get(request.Key);
        if (mailbox.Epoch == request.Epoch)
            WantHeads(reads, table, mailbox);
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        var mailbox = table.Get(request.Key);
        if (mailbox.Epoch != request.Epoch)
            return true;
        if (mailbox.Heads is null)
            return false;
        MailboxChanges.Expire(batch, mailbox);
        batch.PlannedBytes += Math.Min(request.MaxBytes, mailbox.Bytes);
        return true;
    }

    public override void Plan(HotBatch batch, HotTable table)
    {
        var mailbox = table.Get(request.Key);
        var from = Math.Max(1, request.FromSeq);
        _plan.Clear();
        _messages = [];
        (_epoch, _top) = (mailbox.Epoch, mailbox.Top);
        _behind = mailbox.Acked;
        if (mailbox.Epoch != request.Epoch)
            return;
        _behind = Math.Max(from - 1, mailbox.Acked);
        var next = from;
        if (next <= mailbox.Acked)
        {
            _plan.Add((Math.Min(mailbox.Acked, mailbox.Top), ResetReason.Overflow, default));
            next = mailbox.Acked + 1;
        }
        var heads = mailbox.Heads!;
        var first = mailbox.IndexOf(next);
        var (count, bytes, full) = (0, 0L, false);
        for (var i = first; i < heads.Count && !full; i++)
        {
            Explain(batch, mailbox, ref next, heads[i].Seq - 1);
            full = count > 0 && (count >= request.MaxMessages || bytes + heads[i].Size > request.MaxBytes);
            if (full)
                break;
            _plan.Add((heads[i].Seq, ResetReason.None, heads[i]));
            next = heads[i].Seq + 1;
            count++;
            bytes += heads[i].Size;
        }
        if (!full)
            Explain(batch, mailbox, ref next, mailbox.Top);
        if (count == 0)
            return;
        batch.ReadRange(mailbox, first, first + count - 1, messages => _messages = messages);
    }

    public override void Complete()
    {
        var entries = new StreamEntries();
        var read = 0;
        foreach (var (seq, gap, head) in _plan)
        {
            if (gap != ResetReason.None)
            {
                entries.AddGap(seq, gap);
                continue;
            }
            var packed = read < _messages.Length ? _messages[read++] : null;
            if (packed is null || PackedMessage.Seq(packed) != seq)
            {
                Fail(new InvalidDataException($"The messages of {request.Key} in redis are not those that its owner knows: {seq} is missing."));
                return;
            }
            entries.AddMessage(seq, PackedMessage.Kind(packed), head.AcceptedAt, head.ExpiresAt, packed.AsMemory(PackedMessage.HeaderBytes));
        }
        Reply = new ReadReply(_epoch, entries.Finish(), _top, _behind);
        base.Complete();
    }

    private void Explain(HotBatch batch, HotMailbox mailbox, ref long next, long to)
    {
        while (next <= to)
        {
            if (mailbox.Skips.TryFind(next, out var range))
            {
                _plan.Add((Math.Min(range.To, to), range.Reason, default));
                next = range.To + 1;
                continue;
            }
            SaverLog.UnexplainedHole(batch.Logger, mailbox.Key.ToString(), next);
            _plan.Add((next, ResetReason.Overflow, default));
            next++;
        }
    }
}
