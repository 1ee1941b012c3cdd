using System.Text;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Tests.Support;

/// <summary>Mailboxes that really keep sequences, with a script for holding and failing calls.</summary>
internal sealed class FakeMailboxes(FakeBroadcastLog broadcasts, TimeProvider time) : IMailboxes
{
    private readonly Lock _lock = new();
    private readonly Dictionary<UserKey, Box> _boxes = [];

    public CallScript Script { get; } = new();
    public List<ReadRequest> Reads { get; } = [];
    public List<OpenRequest> Opens { get; } = [];
    public List<AckEntry> Acks { get; } = [];
    public List<int> AckBatches { get; } = [];
    public List<(UserKey Key, long Seq)> Parked { get; } = [];

    public IReadOnlySet<Durability> Levels { get; } = new HashSet<Durability> { Durability.Durable };

    /// <summary>Stores a message and says what a delivery of it looks like.</summary>
    public DeliverItem Append(UserKey key, string text, TimeSpan? timeToLive = null, long generation = 0)
    {
        lock (_lock)
        {
            var box = BoxOf(key);
            var expires = timeToLive is { } ttl ? time.GetUtcNow().ToUnixTimeMilliseconds() + (long)ttl.TotalMilliseconds : 0;
            var entry = new StreamEntry(++box.Top, ResetReason.None, PayloadKind.Text, 0, expires, Encoding.UTF8.GetBytes(text));
            box.Entries.Add(box.Top, entry);
            return new DeliverItem(key, generation, box.Epoch, entry.Seq, entry.Kind, expires, entry.Payload);
        }
    }

    public Box Of(UserKey key)
    {
        lock (_lock)
            return BoxOf(key);
    }

    /// <summary>Removes messages as a store does that must make room or obey a withdrawal.</summary>
    public void Drop(UserKey key, long fromSeq, long toSeq, ResetReason reason)
    {
        lock (_lock)
        {
            var box = BoxOf(key);
            for (var seq = fromSeq; seq <= toSeq; seq++)
                box.Entries.Remove(seq);
            box.Entries[toSeq] = new StreamEntry(toSeq, reason, default, 0, 0, default);
        }
    }

    /// <summary>Data was lost: a new epoch begins.</summary>
    public void Lose(UserKey key)
    {
        lock (_lock)
        {
            var box = BoxOf(key);
            _boxes[key] = new Box { Epoch = box.Epoch + 1 };
        }
    }

    public async ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(OpenAsync), cancellationToken);
        var replies = new List<OpenReply>();
        lock (_lock)
        {
            foreach (var request in requests)
            {
                Opens.Add(request);
                var box = BoxOf(request.Key);
                if (request.Mailbox.Epoch == box.Epoch)
                    box.Acked = Math.Max(box.Acked, Math.Min(request.Mailbox.Seq, box.Top));
                var gap = request.Mailbox.Epoch != 0 && request.Mailbox.Epoch != box.Epoch ? ResetReason.DataLoss : box.OpenGap;
                box.OpenGap = ResetReason.None;
                replies.Add(new OpenReply(new StreamOpening(box.Epoch, box.Acked, box.Top, gap), broadcasts.Open(request.Key, request.Broadcast)));
            }
        }
        await Script.After(nameof(OpenAsync), cancellationToken);
        return replies;
    }

    public async ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(ReadAsync), cancellationToken);
        ReadReply reply;
        lock (_lock)
        {
            Reads.Add(request);
            var box = BoxOf(request.Key);
            reply = request.Epoch != box.Epoch
                ? new ReadReply(box.Epoch, [], box.Top, box.Acked)
                : new ReadReply(box.Epoch, Range(box.Entries.Values, request.FromSeq, request.MaxMessages, request.MaxBytes), box.Top, 0);
        }
        await Script.After(nameof(ReadAsync), cancellationToken);
        return reply;
    }

    public async ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(AckAsync), cancellationToken);
        lock (_lock)
        {
            AckBatches.Add(acks.Count);
            Acks.AddRange(acks);
            foreach (var ack in acks.Where(ack => ack.Stream == StreamKind.Mailbox && BoxOf(ack.Key).Epoch == ack.Epoch))
                BoxOf(ack.Key).Acked = Math.Max(BoxOf(ack.Key).Acked, ack.Seq);
        }
        await Script.After(nameof(AckAsync), cancellationToken);
    }

    public async ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(ParkAsync), cancellationToken);
        lock (_lock)
        {
            var box = BoxOf(key);
            if (box.Epoch == epoch && box.Acked < seq)
            {
                Parked.Add((key, seq));
                box.Acked = seq;
            }
            return new StreamOpening(box.Epoch, box.Acked, box.Top, ResetReason.Poison);
        }
    }

    public async ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken)
    {
        await Script.Before(nameof(PositionsAsync), cancellationToken);
        List<StreamPosition> positions;
        lock (_lock)
            positions = [.. keys.Select(key => new StreamPosition(BoxOf(key).Epoch, BoxOf(key).Top))];
        await Script.After(nameof(PositionsAsync), cancellationToken);
        return positions;
    }

    public ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken) => throw new NotSupportedException();

    public static List<StreamEntry> Range(IEnumerable<StreamEntry> entries, long fromSeq, int maxMessages, int maxBytes)
    {
        var range = new List<StreamEntry>();
        var bytes = 0L;
        foreach (var entry in entries.Where(entry => entry.Seq >= fromSeq).OrderBy(entry => entry.Seq))
        {
            bytes += entry.Payload.Length;
            if (range.Count == maxMessages || (range.Count > 0 && bytes > maxBytes))
                break;
            range.Add(entry);
        }
        return range;
    }

    private Box BoxOf(UserKey key)
    {
        if (!_boxes.TryGetValue(key, out var box))
            _boxes.Add(key, box = new Box());
        return box;
    }

    internal sealed class Box
    {
        public uint Epoch { get; set; } = 7;
        public long Acked { get; set; }
        public long Top { get; set; }
        public ResetReason OpenGap { get; set; }
        public SortedDictionary<long, StreamEntry> Entries { get; } = [];
    }
}
