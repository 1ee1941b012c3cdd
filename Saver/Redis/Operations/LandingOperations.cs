using PushSystem.Contracts;
using PushSystem.Saver.Landing;
using StackExchange.Redis;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>Reads a page of the journal that a former owner left.</summary>
internal sealed class ReadJournalOperation(PartitionLanding landing) : MailboxOperation
{
    public override bool IsOwnersOnly => true;

    private const int Page = 256;

    private (long From, long To) _range;
    private RedisResult[] _entries = [];

    public override bool Writes => false;

    public override void AddUsers(ISet<UserKey> users)
    {
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        _entries = [];
        if (landing.Unread is not { } range)
            return true;
        _range = range;
        batch.ReadJournal(range.From, range.To, Page, entries => _entries = (RedisResult[]?)entries ?? []);
        return true;
    }

    public override void Complete()
    {
        if (landing.Unread == _range)
        {
            var left = new List<(long, IReadOnlyList<LandingItem>)>(_entries.Length);
            foreach (var entry in _entries)
            {
                var parts = (RedisResult[])entry!;
                var id = (string)parts[0]!;
                var fields = (RedisResult[])parts[1]!;
                left.Add((long.Parse(id.AsSpan(0, id.IndexOf('-')), provider: null), PackedJournal.Read((byte[])fields[1]!)));
            }
            landing.AddLeft(left, _entries.Length < Page ? _range.To : left[^1].Item1);
        }
        base.Complete();
    }
}

/// <summary>
/// Gathers what has to be landed. What was acknowledged meanwhile is left out; what lands is noted in the mailbox first, so that its
/// removal will be landed as well.
/// </summary>
internal sealed class CollectOperation(PartitionLanding landing, int most, Func<long, IReadOnlyList<LandingRow>, LandingBatch> make) : MailboxOperation
{
    public override bool IsOwnersOnly => true;

    // Messages without a copy in memory are read with their whole mailbox: so many mailboxes at once.
    private const int MostRead = 32;

    private readonly Dictionary<UserKey, List<LandingItem>> _byUser = [];
    private readonly Dictionary<UserKey, Dictionary<long, byte[]>> _read = [];
    private readonly PackedWriter _writer = new();
    private List<LandingItem> _items = [];
    private long _upTo;

    /// <summary>Null when there is nothing.</summary>
    public LandingBatch? Batch { get; private set; }

    public override void Reset()
    {
        _read.Clear();
        _byUser.Clear();
        (_items, _upTo) = landing.Peek(most);
        for (var limit = most; limit > 1; limit /= 2)
        {
            if (_items.Where(item => item is { Kind: LandingKind.Message, Packed: null }).DistinctBy(item => PackedUser.Read(item.User)).Count() <= MostRead)
                break;
            (_items, _upTo) = landing.Peek(limit / 2);
        }
        foreach (var item in _items)
        {
            var key = PackedUser.Read(item.User);
            if (!_byUser.TryGetValue(key, out var items))
                _byUser[key] = items = [];
            items.Add(item);
        }
    }

    public override void AddUsers(ISet<UserKey> users)
    {
        foreach (var key in _byUser.Keys)
            users.Add(key);
    }

    public override void Prefetch(HotBatch reads, HotTable table)
    {
        foreach (var (key, items) in _byUser)
        {
            if (_read.ContainsKey(key) || !items.Any(item => item is { Kind: LandingKind.Message, Packed: null }))
                continue;
            reads.ReadRange(table.Get(key), 0, -1, messages => _read[key] = messages.ToDictionary(packed => PackedMessage.Seq(packed)));
        }
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        var rows = new List<LandingRow>(_byUser.Count);
        foreach (var (key, items) in _byUser)
        {
            var mailbox = table.Get(key);
            var messages = items.Where(item => item.Kind == LandingKind.Message && mailbox.IsLive(item.Seq)).ToList();
            var parked = items.FindAll(item => item.Kind == LandingKind.Parked);
            var hasState = items.Exists(item => item.Kind == LandingKind.State);
            for (var i = messages.Count - 1; i >= 0; i--)
            {
                if (messages[i].Packed is not null)
                    continue;
                if (!_read.TryGetValue(key, out var read))
                    return false;
                if (read.TryGetValue(messages[i].Seq, out var packed))
                    messages[i].Remember(packed);
                else
                    messages.RemoveAt(i);
            }
            if (messages.Count == 0 && parked.Count == 0 && !hasState)
                continue;
            if (messages.Count > 0 && messages[^1].Seq > mailbox.LandedTop)
            {
                mailbox.LandedTop = messages[^1].Seq;
                batch.Change(mailbox);
            }
            _writer.Clear();
            PackedState.Write(_writer, mailbox);
            rows.Add(new LandingRow(mailbox.Field, _writer.ToArray(), hasState ? mailbox.Next().Position + 1 : 0, messages, parked));
        }
        Batch = _upTo < 0 ? null : make(_upTo, rows);
        return true;
    }
}

/// <summary>The journal up to a number has landed.</summary>
internal sealed class TrimOperation(long upTo) : MailboxOperation
{
    public override bool IsOwnersOnly => true;

    public override void AddUsers(ISet<UserKey> users)
    {
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        batch.TrimJournal(upTo);
        return true;
    }
}

/// <summary>The landing tier says that this owner is not the last one, or that redis lost data: the partition is taken again.</summary>
internal sealed class RetakeOperation(Action before) : MailboxOperation
{
    private bool _done;

    public override void AddUsers(ISet<UserKey> users)
    {
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        if (_done)
            return true;
        _done = true;
        before();
        throw new BatchRefusedException(0);
    }
}

/// <summary>Sees to it that mailboxes are there: while a partition is being filled, loading one installs it.</summary>
internal sealed class TouchOperation(IReadOnlyList<UserKey> keys, bool ownerOnly = true) : MailboxOperation
{
    public override bool IsOwnersOnly => ownerOnly;

    public override bool Writes => false;

    public override void AddUsers(ISet<UserKey> users) => users.UnionWith(keys);

    public override bool Execute(HotBatch batch, HotTable table) => true;
}

/// <summary>Finds mailboxes in redis that are still of a former epoch.</summary>
internal sealed class ScanOperation(int fromBucket, int toBucket, uint baseEpoch) : MailboxOperation
{
    public override bool IsOwnersOnly => true;

    public override bool Writes => false;

    public List<UserKey> Old { get; } = [];

    public override void Reset() => Old.Clear();

    public override void AddUsers(ISet<UserKey> users)
    {
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        for (var bucket = fromBucket; bucket < toBucket; bucket++)
            batch.ReadBucket(bucket, Take);
        return true;
    }

    private void Take(byte[][] fields)
    {
        for (var i = 0; i + 1 < fields.Length; i += 2)
        {
            var mailbox = new HotMailbox(PackedUser.Read(fields[i]), fields[i], 0, 0);
            PackedState.Read(fields[i + 1], mailbox);
            if (mailbox.Epoch < baseEpoch)
                Old.Add(mailbox.Key);
        }
    }
}

/// <summary>Writes a field of the partition's meta hash.</summary>
internal sealed class MetaOperation(string field, RedisValue value, Func<bool> isWanted, Action applied) : MailboxOperation
{
    public override bool IsOwnersOnly => true;

    public override void AddUsers(ISet<UserKey> users)
    {
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        if (!isWanted())
            return true;
        batch.SetMeta(field, value);
        batch.WhenApplied(applied);
        return true;
    }
}
