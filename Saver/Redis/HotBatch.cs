using System.Globalization;
using Microsoft.Extensions.Logging;
using PushSystem.Saver.Landing;
using StackExchange.Redis;

namespace PushSystem.Saver.Redis;

/// <summary>
/// What one call of <see cref="MailboxScripts.Batch"/> will do, gathered by the operations in their order. One loop builds it and sends
/// it once. The states of changed mailboxes and the journal entry are added when it is sealed.
/// </summary>
internal sealed class HotBatch(PartitionKeys keys, long now, ILogger logger)
{
    private static int _numbers;

    private readonly int _number = Interlocked.Increment(ref _numbers);
    private readonly List<RedisKey> _keys = [keys.Meta];
    private readonly List<RedisValue> _arguments = [default, default, default];
    private readonly Dictionary<int, int> _buckets = [];
    private readonly List<HotMailbox> _changed = [];
    private readonly List<Action<RedisResult>> _replies = [];
    private readonly List<Action> _applied = [];

    /// <summary>The time of everything in this batch, Unix milliseconds.</summary>
    public long Now => now;

    public PartitionKeys Keys => keys;

    public ILogger Logger => logger;

    /// <summary>Things for the landing tier that this batch journals.</summary>
    public List<LandingItem> Landing { get; } = [];

    /// <summary>True when redis is changed: the batch gets a number of its own.</summary>
    public bool Writes { get; private set; }

    public bool IsEmpty => _arguments.Count == 3 && _changed.Count == 0 && Landing.Count == 0 && !Writes;

    /// <summary>Payload bytes that reading operations will bring.</summary>
    public long PlannedBytes { get; set; }

    // Counted when the batch was applied.
    public int Appended { get; set; }
    public int AppendedDurable { get; set; }
    public int Acked { get; set; }
    public int AcksIgnored { get; set; }
    public int Overflowed { get; set; }
    public int Expired { get; set; }
    public int Parked { get; set; }
    public int Refilled { get; set; }

    /// <summary>The mailbox's state goes to redis with this batch.</summary>
    public void Change(HotMailbox mailbox)
    {
        Enter(mailbox);
        Writes = true;
        mailbox.IsKnown = true;
        if (mailbox.Changed)
            return;
        mailbox.Changed = true;
        _changed.Add(mailbox);
    }

    /// <summary>The state reaches the landing tier too, and messages below the first waiting one are removed there.</summary>
    public void JournalState(HotMailbox mailbox)
    {
        Enter(mailbox);
        Writes = true;
        if (mailbox.StateJournaled)
            return;
        mailbox.StateJournaled = true;
        Landing.Add(new LandingItem(LandingKind.State, mailbox.Field, 0, 0, null));
    }

    public void Push(HotMailbox mailbox, byte[] packed) => Write("r", ListOf(mailbox), packed);

    public void TrimFront(HotMailbox mailbox, int count) => Write("t", ListOf(mailbox), count);

    public void DeleteList(HotMailbox mailbox)
    {
        Writes = true;
        _arguments.Add("d");
        _arguments.Add(ListOf(mailbox));
    }

    /// <summary>Empties the entry at an index of the list as it was before this batch touched it; <see cref="RemoveTombstones"/> follows.</summary>
    public void Tombstone(HotMailbox mailbox, int index) => Write("x", ListOf(mailbox), index);

    public void RemoveTombstones(HotMailbox mailbox)
    {
        Writes = true;
        _arguments.Add("y");
        _arguments.Add(ListOf(mailbox));
    }

    public void ExpireList(HotMailbox mailbox, long milliseconds) => Write("p", ListOf(mailbox), milliseconds);

    public void CountUser(string app) => Write("n", KeyOf(keys.KnownUsers), app, 1);

    public void SetMeta(string field, RedisValue value) => Write("h", 1, field, value);

    public void TrimJournal(long toJseq) =>
        Write("c", KeyOf(keys.Journal), (toJseq + 1).ToString(CultureInfo.InvariantCulture));

    public void SetValue(RedisKey key, byte[] value, long milliseconds) => Write("s", KeyOf(key), value, milliseconds);

    public void ReadState(HotMailbox mailbox, Action<byte[]?> reply)
    {
        _arguments.Add("f");
        _arguments.Add(BucketOf(mailbox.Bucket));
        _arguments.Add(mailbox.Field);
        _replies.Add(result => reply((byte[]?)result));
    }

    public void ReadHeads(HotMailbox mailbox, Action<byte[]> reply)
    {
        _arguments.Add("q");
        _arguments.Add(ListOf(mailbox));
        _replies.Add(result => reply((byte[]?)result ?? []));
    }

    /// <summary>Both indexes included; -1 is the last.</summary>
    public void ReadRange(HotMailbox mailbox, int from, int to, Action<byte[][]> reply)
    {
        _arguments.Add("g");
        _arguments.Add(ListOf(mailbox));
        _arguments.Add(from);
        _arguments.Add(to);
        _replies.Add(result => reply((byte[][]?)result ?? []));
    }

    public void ReadValue(RedisKey key, Action<byte[]?> reply)
    {
        _arguments.Add("e");
        _arguments.Add(KeyOf(key));
        _replies.Add(result => reply((byte[]?)result));
    }

    public void ReadBucket(int bucket, Action<byte[][]> reply)
    {
        _arguments.Add("a");
        _arguments.Add(BucketOf(bucket));
        _replies.Add(result => reply((byte[][]?)result ?? []));
    }

    /// <summary>Journal entries from one number to another, both included, at most so many.</summary>
    public void ReadJournal(long from, long to, int count, Action<RedisResult> reply)
    {
        _arguments.Add("v");
        _arguments.Add(KeyOf(keys.Journal));
        _arguments.Add(from.ToString(CultureInfo.InvariantCulture));
        _arguments.Add(to.ToString(CultureInfo.InvariantCulture));
        _arguments.Add(count);
        _replies.Add(reply);
    }

    /// <summary>Runs on the loop when redis has applied the batch.</summary>
    public void WhenApplied(Action action) => _applied.Add(action);

    /// <summary>Keys and arguments of the script. <paramref name="jseq"/>: the last known number; what is written gets the next.</summary>
    public (RedisKey[] Keys, RedisValue[] Arguments) Seal(string token, long jseq, PackedWriter writer)
    {
        foreach (var mailbox in _changed)
        {
            writer.Clear();
            PackedState.Write(writer, mailbox);
            _arguments.Add("h");
            _arguments.Add(BucketOf(mailbox.Bucket));
            _arguments.Add(mailbox.Field);
            _arguments.Add(writer.ToArray());
            mailbox.Changed = false;
        }
        if (Landing.Count > 0)
        {
            writer.Clear();
            foreach (var item in Landing)
                PackedJournal.Write(writer, item);
            _arguments.Add("j");
            _arguments.Add(KeyOf(keys.Journal));
            _arguments.Add((jseq + 1).ToString(CultureInfo.InvariantCulture) + "-0");
            _arguments.Add(writer.ToArray());
        }
        _arguments[0] = token;
        _arguments[1] = jseq;
        _arguments[2] = Writes ? (RedisValue)(jseq + 1) : RedisValue.EmptyString;
        return ([.. _keys], [.. _arguments]);
    }

    /// <summary>Hands out what the reading operations brought and tells those who wait for the batch.</summary>
    public void Apply(RedisResult[] answer)
    {
        if (answer.Length != _replies.Count + 1)
            throw new InvalidDataException($"The script answered {answer.Length - 1} of {_replies.Count} questions.");
        for (var i = 0; i < _replies.Count; i++)
            _replies[i](answer[i + 1]);
        foreach (var action in _applied)
            action();
    }

    /// <summary>The batch is known to be applied although its answer is lost.</summary>
    public void ApplyWithoutAnswer()
    {
        foreach (var action in _applied)
            action();
    }

    private void Write(string operation, int key, RedisValue argument)
    {
        Writes = true;
        _arguments.Add(operation);
        _arguments.Add(key);
        _arguments.Add(argument);
    }

    private void Write(string operation, int key, RedisValue first, RedisValue second)
    {
        Write(operation, key, first);
        _arguments.Add(second);
    }

    private void Enter(HotMailbox mailbox)
    {
        if (mailbox.Batch == _number)
            return;
        mailbox.Batch = _number;
        mailbox.ListKey = 0;
        mailbox.Changed = false;
        mailbox.StateJournaled = false;
    }

    private int ListOf(HotMailbox mailbox)
    {
        Enter(mailbox);
        if (mailbox.ListKey == 0)
            mailbox.ListKey = KeyOf(keys.Messages(mailbox.Field));
        return mailbox.ListKey;
    }

    private int BucketOf(int bucket)
    {
        if (!_buckets.TryGetValue(bucket, out var index))
            _buckets[bucket] = index = KeyOf(keys.Bucket(bucket));
        return index;
    }

    private int KeyOf(RedisKey key)
    {
        _keys.Add(key);
        return _keys.Count;
    }
}
