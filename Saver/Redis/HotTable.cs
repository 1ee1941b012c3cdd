using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis;

/// <summary>
/// The mailboxes of one partition that its owner knows. Touched by the partition's loop alone; emptied when the ownership ends. Over its
/// capacity, those that were not used lately go.
/// </summary>
internal sealed class HotTable(int capacity, TimeProvider time, ILogger logger)
{
    private readonly Dictionary<UserKey, HotMailbox> _mailboxes = [];
    private readonly HashSet<HotMailbox> _wanted = [];
    private readonly Dictionary<(char Kind, string App, string Key), byte[]> _values = [];

    public int Count => _mailboxes.Count;

    public bool Has(UserKey key) => _mailboxes.ContainsKey(key);

    /// <summary>The mailbox; the loop has loaded it before.</summary>
    public HotMailbox Get(UserKey key)
    {
        var mailbox = _mailboxes[key];
        mailbox.Touched = true;
        return mailbox;
    }

    public HotMailbox? Find(UserKey key) => _mailboxes.GetValueOrDefault(key);

    public void Put(HotMailbox mailbox) => _mailboxes[mailbox.Key] = mailbox;

    public void Clear()
    {
        _mailboxes.Clear();
        ForgetReads();
    }

    /// <summary>True the first time until the heads are there.</summary>
    public bool Want(HotMailbox mailbox) => _wanted.Add(mailbox);

    /// <summary>
    /// A value that an operation stored after others had already read its key: what is noted comes first. Until
    /// <see cref="ForgetReads"/>.
    /// </summary>
    public void NoteValue(char kind, string app, string key, byte[] value) => _values[(kind, app, key)] = value;

    public byte[]? ValueOf(char kind, string app, string key) => _values.GetValueOrDefault((kind, app, key));

    /// <summary>A round of operations is over: what they read and noted for each other does not count any more.</summary>
    public void ForgetReads()
    {
        _wanted.Clear();
        _values.Clear();
    }

    /// <summary>The heads came from redis. What the state counts and the list lacks is explained.</summary>
    public void SetHeads(HotMailbox mailbox, byte[] packed)
    {
        _wanted.Remove(mailbox);
        var heads = PackedMessage.Heads(packed);
        mailbox.Heads = heads;
        if (heads.Count == mailbox.Count)
            return;
        // The list's own time to live is a minute longer than its last message's; anything else is a defect and is told as loss.
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var reason = mailbox.LatestExpiry <= now ? ResetReason.Expired : ResetReason.DataLoss;
        if (reason == ResetReason.DataLoss)
            RedisSaverLog.ListDiffers(logger, mailbox.Key.ToString(), mailbox.Count, heads.Count);
        Explain(mailbox, heads, reason);
    }

    /// <summary>Makes count and bytes those of the heads; numbers without a message and without a reason get one.</summary>
    public static void Explain(HotMailbox mailbox, List<MessageHead> heads, ResetReason reason)
    {
        var next = mailbox.Acked + 1;
        mailbox.Count = heads.Count;
        mailbox.Bytes = 0;
        (mailbox.EarliestExpiry, mailbox.LatestExpiry) = (long.MaxValue, 0);
        foreach (var head in heads)
        {
            Skip(mailbox, next, head.Seq - 1, reason);
            next = head.Seq + 1;
            mailbox.Bytes += head.Size;
            mailbox.EarliestExpiry = Math.Min(mailbox.EarliestExpiry, head.ExpiresAt);
            mailbox.LatestExpiry = Math.Max(mailbox.LatestExpiry, head.ExpiresAt);
        }
        Skip(mailbox, next, mailbox.Top, reason);
    }

    /// <summary>Drops those that were not used since the last round, when there are too many.</summary>
    public void Evict()
    {
        if (_mailboxes.Count <= capacity)
            return;
        var idle = new List<UserKey>();
        foreach (var (key, mailbox) in _mailboxes)
        {
            if (mailbox.Touched)
                mailbox.Touched = false;
            else
                idle.Add(key);
        }
        foreach (var key in idle)
            _mailboxes.Remove(key);
        // Everything was used: the next round would find all of them idle, so half go now.
        if (_mailboxes.Count > capacity)
        {
            foreach (var key in _mailboxes.Keys.Take(_mailboxes.Count - (capacity / 2)).ToList())
                _mailboxes.Remove(key);
        }
    }

    private static void Skip(HotMailbox mailbox, long from, long to, ResetReason reason) =>
        mailbox.Skips = Cover(mailbox.Skips, from, to, reason);

    /// <summary>Adds what of a range the list does not hold yet.</summary>
    public static SkipList Cover(SkipList list, long from, long to, ResetReason reason)
    {
        while (from <= to)
        {
            if (list.TryFind(from, out var range))
            {
                from = range.To + 1;
                continue;
            }
            var end = to;
            foreach (var known in list.Ranges)
            {
                if (known.From <= from)
                    continue;
                end = Math.Min(end, known.From - 1);
                break;
            }
            list = list.Add(from, end, reason);
            from = end + 1;
        }
        return list;
    }
}
