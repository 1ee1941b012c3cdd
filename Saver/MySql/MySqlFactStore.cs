using System.Security.Cryptography;
using PushSystem.Contracts;
using PushSystem.Saver.Facts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.MySql;

/// <summary>
/// <see cref="IFactStore"/> over MySQL. Any thread; facts of many callers are one commit, the later value of the same fact wins. Owned
/// and disposed by the cluster store.
/// </summary>
internal sealed class MySqlFactStore : IFactStore, IAsyncDisposable
{
    private const string Store = "facts";
    private const int MaxList = 100_000;
    private const int FactOverhead = 128;

    // An index takes about 3,000 bytes; longer keys are told apart by a hash behind this much of them.
    private const int OrderedBytes = 2_900;

    private const string SelectOne = "SELECT value FROM facts WHERE space_hash = @space AND key_order = @key";
    private const string SelectMany =
        "SELECT fact_key, value FROM facts WHERE space_hash = @space AND key_order > @key ORDER BY key_order LIMIT @limit";
    private const string Put = "INSERT INTO facts (space_hash, key_order, fact_key, value) VALUES";
    private const string Replace = "ON DUPLICATE KEY UPDATE value = VALUES(value)";
    private const string Delete = "DELETE FROM facts WHERE (space_hash, key_order) IN (";

    private readonly SqlLink _link;
    private readonly GroupCommit<Fact[], bool> _commit;

    public MySqlFactStore(SqlLink link)
    {
        _link = link;
        _commit = new GroupCommit<Fact[], bool>(link, Store, ExecuteAsync);
    }

    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(string space, string key, CancellationToken cancellationToken)
    {
        var (spaceHash, order) = (Space(space), Order(Checked(key, nameof(key))));
        var rows = await _link.ReadAsync(
            Store, session => session.ReadAsync(SelectOne, row => row.Bytes(0), ("space", spaceHash), ("key", order)), cancellationToken);
        return rows.Count == 0 ? null : (ReadOnlyMemory<byte>?)rows[0];
    }

    public async ValueTask<IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>> ListAsync(
        string space, string afterKey, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(afterKey);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var (spaceHash, order) = (Space(space), Order(SqlSession.Key(afterKey)));
        return await _link.ReadAsync(
            Store,
            session => session.ReadAsync(
                SelectMany, row => new KeyValuePair<string, ReadOnlyMemory<byte>>(row.Key(0), row.Bytes(1)), ("space", spaceHash), ("key", order),
                ("limit", Math.Min(limit, MaxList))),
            cancellationToken);
    }

    public async ValueTask SetAsync(
        string space, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken)
    {
        var spaceHash = Space(space);
        ArgumentNullException.ThrowIfNull(facts);
        if (facts.Count == 0)
            return;
        var copies = new Fact[facts.Count];
        long bytes = 0;
        for (var i = 0; i < copies.Length; i++)
        {
            var key = Checked(facts[i].Key, "key");
            if (facts[i].Value is { } value && value.Length > SqlFactStore.MaxBytes)
                throw new ArgumentException($"value: {value.Length} bytes, at most {SqlFactStore.MaxBytes} are kept", nameof(facts));
            copies[i] = new Fact(spaceHash, Order(key), key, facts[i].Value?.ToArray());
            bytes += FactOverhead + key.Length + (copies[i].Value?.Length ?? 0);
        }
        await _commit.AddAsync(copies, bytes, cancellationToken);
    }

    public ValueTask DisposeAsync() => _commit.DisposeAsync();

    private static async Task<bool[]> ExecuteAsync(SqlSession session, IReadOnlyList<Fact[]> batches)
    {
        var last = new Dictionary<string, Fact>(StringComparer.Ordinal);
        foreach (var fact in batches.SelectMany(batch => batch))
            last[Convert.ToHexString(fact.Space) + Convert.ToHexString(fact.Order)] = fact;
        var put = new SqlRows(session, Put, Replace);
        var delete = new SqlRows(session, Delete, ")");
        // In one order, so that two savers never wait for each other.
        foreach (var (_, fact) in last.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (fact.Value is null)
                await delete.AddAsync(fact.Order.Length + 32, fact.Space, fact.Order);
            else
                await put.AddAsync(fact.Key.Length + fact.Order.Length + fact.Value.Length + 32, fact.Space, fact.Order, fact.Key, fact.Value);
        }
        await put.FlushAsync();
        await delete.FlushAsync();
        return [.. Enumerable.Repeat(true, batches.Count)];
    }

    private static byte[] Space(string space) => SHA256.HashData(Checked(space, nameof(space)));

    private static byte[] Order(byte[] key) =>
        key.Length <= OrderedBytes ? key : [.. key.AsSpan(0, OrderedBytes), .. SHA256.HashData(key)];

    private static byte[] Checked(string text, string field)
    {
        var bytes = StoredText.ByteCount(text, field);
        return bytes is 0 or > SqlFactStore.MaxBytes
            ? throw new ArgumentException($"{field}: {bytes} bytes, allowed are 1 to {SqlFactStore.MaxBytes}")
            : SqlSession.Key(text);
    }

    /// <summary>Value null: removed.</summary>
    private sealed record Fact(byte[] Space, byte[] Order, byte[] Key, byte[]? Value);
}
