using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace PushSystem.TestSupport;

/// <summary>
/// Judges "nothing lost": keeps what callers sent, what was accepted and what the devices' applications saw, outside the system
/// under test. Any thread records; <see cref="Evaluate"/> is called once everything has been drained. A request without an
/// answer counts as unknown: its message may arrive or not.
/// </summary>
public sealed class DeliveryChecker
{
    private readonly ConcurrentDictionary<string, string> _sent = new();
    private readonly ConcurrentQueue<(string Key, string User, string Id)> _accepted = new();
    private readonly ConcurrentDictionary<string, List<(string Id, string Key)>> _received = new();
    private long _receivedCount;

    /// <summary>Messages seen by applications so far.</summary>
    public long ReceivedCount => Interlocked.Read(ref _receivedCount);

    /// <summary>Messages accepted so far.</summary>
    public int AcceptedCount => _accepted.Count;

    /// <summary>A caller is about to send the message named <paramref name="key"/>.</summary>
    public void Sent(string key, string user) => _sent[key] = user;

    /// <summary>The API said "accepted" and gave the message its id.</summary>
    public void Accepted(string key, string user, string id) => _accepted.Enqueue((key, user, id));

    /// <summary>An application saw a message.</summary>
    public void Received(string user, string id, string key)
    {
        var list = _received.GetOrAdd(user, _ => []);
        lock (list)
            list.Add((id, key));
        Interlocked.Increment(ref _receivedCount);
    }

    /// <summary>True when every accepted message has been seen.</summary>
    public bool AllReceived() => Evaluate().Lost.Count == 0;

    /// <summary>
    /// True when every accepted message has been seen, under its id or another: after a store lost its data, what landed elsewhere comes in
    /// a new epoch.
    /// </summary>
    public bool AllContentReceived() => Evaluate().LostContent.Count == 0;

    /// <summary>Compares both sides.</summary>
    public CheckResult Evaluate()
    {
        var result = new CheckResult();
        var seen = new HashSet<(string User, string Id)>();
        var keyOfId = new Dictionary<(string User, string Id), string>();
        foreach (var (user, list) in _received)
        {
            // Each stream ("m" mailbox, "b" broadcasts) has its own order; between them there is none.
            var last = new Dictionary<char, (uint Epoch, long Seq)>();
            (string Id, string Key)[] copy;
            lock (list)
                copy = [.. list];
            foreach (var (id, key) in copy)
            {
                if (!_sent.TryGetValue(key, out var target))
                    result.Unexpected.Add($"{user} {id} {key}: nobody sent it");
                else if (target != user)
                    result.Foreign.Add($"{user} {id} {key}: it was sent to {target}");
                if (keyOfId.TryGetValue((user, id), out var other) && other != key)
                    result.SeqReuse.Add($"{user} {id}: {other} and {key}");
                keyOfId[(user, id)] = key;
                if (!seen.Add((user, id)))
                {
                    result.Duplicates.Add($"{user} {id} {key}");
                    continue;
                }
                var at = Parse(id);
                if (last.TryGetValue(id[0], out var before) && at.Epoch == before.Epoch && at.Seq <= before.Seq)
                    result.Reordered.Add($"{user} {id} came behind {id[0]}{before.Epoch}-{before.Seq}");
                last[id[0]] = at;
            }
        }
        var contents = keyOfId.Select(pair => (pair.Key.User, Key: pair.Value)).ToHashSet();
        var idOfKey = new Dictionary<string, string>();
        foreach (var (key, user, id) in _accepted)
        {
            result.Accepted++;
            if (idOfKey.TryGetValue(key, out var first) && first != id)
                result.Idempotency.Add($"{key}: {first} and {id}");
            idOfKey[key] = id;
            if (!seen.Contains((user, id)))
                result.Lost.Add($"{user} {id} {key}");
            if (!contents.Contains((user, key)))
                result.LostContent.Add($"{user} {id} {key}");
        }
        result.Received = seen.Count;
        result.Contents = contents.Count;
        return result;
    }

    private static (uint Epoch, long Seq) Parse(string id)
    {
        var parts = id[1..].Split('-');
        return (uint.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture));
    }
}

/// <summary>What <see cref="DeliveryChecker"/> found; every list must be empty.</summary>
public sealed class CheckResult
{
    /// <summary>Messages accepted.</summary>
    public int Accepted { get; internal set; }
    /// <summary>Different messages seen by applications.</summary>
    public int Received { get; internal set; }
    /// <summary>Accepted and never seen.</summary>
    public List<string> Lost { get; } = [];
    /// <summary>Accepted and never seen under any id.</summary>
    public List<string> LostContent { get; } = [];
    /// <summary>Different contents seen by applications: fewer than <see cref="Received"/> when one came under two ids.</summary>
    public int Contents { get; internal set; }
    /// <summary>Seen twice by the application.</summary>
    public List<string> Duplicates { get; } = [];
    /// <summary>Seen behind a later one.</summary>
    public List<string> Reordered { get; } = [];
    /// <summary>Seen although nobody sent it.</summary>
    public List<string> Unexpected { get; } = [];
    /// <summary>Seen by another user.</summary>
    public List<string> Foreign { get; } = [];
    /// <summary>One idempotency key, two messages.</summary>
    public List<string> Idempotency { get; } = [];
    /// <summary>One id, two messages.</summary>
    public List<string> SeqReuse { get; } = [];

    /// <summary>Nothing was found.</summary>
    public bool Ok => Lost.Count + Duplicates.Count + Reordered.Count + Unexpected.Count + Foreign.Count + Idempotency.Count + SeqReuse.Count == 0;

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{Accepted} accepted, {Received} received");
        foreach (var (name, list) in new[]
        {
            ("lost", Lost), ("duplicated", Duplicates), ("reordered", Reordered), ("unexpected", Unexpected), ("foreign", Foreign),
            ("idempotency violated", Idempotency), ("sequence reused", SeqReuse),
        })
        {
            text.Append(CultureInfo.InvariantCulture, $", {list.Count} {name}");
            if (list.Count > 0)
                text.Append(" [").AppendJoin("; ", list.Take(5)).Append(list.Count > 5 ? "; …]" : "]");
        }
        return text.ToString();
    }
}
