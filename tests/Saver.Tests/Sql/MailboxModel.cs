using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Sql;

/// <summary>
/// A mailbox as the contract describes it, written for clearness alone: a list of messages and nothing cached. The random test
/// compares the store with it.
/// </summary>
internal sealed class MailboxModel
{
    private readonly List<Message> _messages = [];
    private long _attemptSeq;
    private int _attempts;

    public long Acked { get; private set; }
    public int EpochsEnded { get; private set; }
    public long Top => _messages.Count;
    public bool IsKnown { get; set; }

    public void Append(string text, long now, long expiresAt, AppLimits limits)
    {
        IsKnown = true;
        _messages.Add(new Message { Text = text, ExpiresAt = expiresAt });
        if (Over(limits, now))
        {
            foreach (var message in _messages.Where(message => message.State == MessageState.Pending && message.ExpiresAt <= now))
                message.State = MessageState.Expired;
        }
        while (Over(limits, now))
            _messages.First(message => message.State == MessageState.Pending).State = MessageState.Dropped;
    }

    public void Ack(long seq, long now)
    {
        if (seq <= Acked || seq > Top)
            return;
        for (var i = Acked; i < seq; i++)
        {
            // Whether it had been delivered before it expired is not known to the store.
            if (_messages[(int)i].State == MessageState.Pending)
                _messages[(int)i].State = _messages[(int)i].ExpiresAt <= now ? MessageState.Unknown : MessageState.Acked;
        }
        Acked = seq;
    }

    /// <summary>Seq, top and gap of an opening with the client at (0, 0) or at an earlier or impossible position.</summary>
    public (long Seq, long Top, ResetReason Gap) Open(long clientSeq, bool sameEpoch, long now, AppLimits limits)
    {
        IsKnown = true;
        var gap = ResetReason.None;
        if (sameEpoch && clientSeq > Top)
        {
            EpochsEnded++;
            gap = ResetReason.DataLoss;
        }
        else if (sameEpoch)
        {
            Ack(clientSeq, now);
        }
        while (true)
        {
            var (position, reason) = SkipDead(now);
            if (position < Top)
            {
                if (_attemptSeq != position + 1)
                    (_attemptSeq, _attempts) = (position + 1, 0);
                if (_attempts >= limits.DeliveryAttempts)
                {
                    _messages[(int)position].State = MessageState.Parked;
                    continue;
                }
                _attempts++;
            }
            return (position, Top, Stronger(gap, reason));
        }
    }

    public bool Park(long seq, long now)
    {
        var (position, _) = SkipDead(now);
        if (position + 1 != seq || seq > Top)
            return false;
        _messages[(int)position].State = MessageState.Parked;
        return true;
    }

    /// <summary>One line per number from <paramref name="from"/> on: the text or why it does not come.</summary>
    public IEnumerable<string> Read(long from, long now)
    {
        for (var seq = from; seq <= Top; seq++)
            yield return seq <= Acked ? "Overflow" : ReasonOf(seq, now) is var reason && reason != ResetReason.None ? $"{reason}" : _messages[(int)seq - 1].Text;
    }

    public MessageState Find(long seq, long now) =>
        seq < 1 || seq > Top ? MessageState.Unknown
        : _messages[(int)seq - 1] is { State: MessageState.Pending } waiting && waiting.ExpiresAt <= now ? MessageState.Expired
        : _messages[(int)seq - 1].State;

    /// <summary>True when the store may say Acked as well as Expired.</summary>
    public bool IsAmbiguous(long seq) => seq >= 1 && seq <= Top && _messages[(int)seq - 1].State == MessageState.Unknown;

    public (int Count, long Bytes) Pending(long now)
    {
        var live = _messages.Where(message => message.State == MessageState.Pending && message.ExpiresAt > now).ToList();
        return (live.Count, live.Sum(message => message.Text.Length));
    }

    private bool Over(AppLimits limits, long now)
    {
        _ = now;
        var waiting = _messages.Where(message => message.State == MessageState.Pending).ToList();
        return waiting.Count > limits.MailboxMessages || waiting.Sum(message => message.Text.Length) > limits.MailboxBytes;
    }

    private (long Position, ResetReason Reason) SkipDead(long now)
    {
        var position = Acked;
        var reason = ResetReason.None;
        while (position < Top && ReasonOf(position + 1, now) is var next && next != ResetReason.None)
        {
            reason = Stronger(reason, next);
            position++;
        }
        return (position, reason);
    }

    private ResetReason ReasonOf(long seq, long now) => _messages[(int)seq - 1] switch
    {
        { State: MessageState.Dropped } => ResetReason.Overflow,
        { State: MessageState.Expired } => ResetReason.Expired,
        { State: MessageState.Parked } => ResetReason.Poison,
        { State: MessageState.Pending } message when message.ExpiresAt <= now => ResetReason.Expired,
        _ => ResetReason.None,
    };

    private static ResetReason Stronger(ResetReason one, ResetReason other)
    {
        ResetReason[] order = [ResetReason.None, ResetReason.Expired, ResetReason.Cancelled, ResetReason.Poison, ResetReason.Overflow, ResetReason.DataLoss];
        return Array.IndexOf(order, one) >= Array.IndexOf(order, other) ? one : other;
    }

    private sealed class Message
    {
        public required string Text { get; init; }
        public required long ExpiresAt { get; init; }
        public MessageState State { get; set; } = MessageState.Pending;
    }
}
