using PushSystem.Contracts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Facts;

/// <summary><see cref="IFactStore"/> over SQLite. Holds no state; any thread.</summary>
internal sealed class SqlFactStore(GroupCommitWriter writer, ReaderPool readers) : IFactStore
{
    /// <summary>Longest space, key or value, bytes.</summary>
    public const int MaxBytes = 4 * 1024;

    private const int MaxList = 100_000;

    private const string SelectOne = "SELECT value FROM facts WHERE space = ?1 AND key = ?2";
    private const string SelectMany = "SELECT key, value FROM facts WHERE space = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
    private const string Put = "INSERT OR REPLACE INTO facts (space, key, value) VALUES (?1, ?2, ?3)";
    private const string Delete = "DELETE FROM facts WHERE space = ?1 AND key = ?2";

    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(string space, string key, CancellationToken cancellationToken)
    {
        CheckText(space, nameof(space));
        CheckText(key, nameof(key));
        return readers.ReadAsync<(string, string), ReadOnlyMemory<byte>?>(
            (space, key),
            static (connection, state) =>
            {
                using var row = connection.Use(SelectOne).Bind(1, state.Item1).Bind(2, state.Item2);
                return row.Step() ? (ReadOnlyMemory<byte>?)row.Blob(0).ToArray() : null;
            },
            cancellationToken);
    }

    public ValueTask<IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>> ListAsync(
        string space, string afterKey, int limit, CancellationToken cancellationToken)
    {
        CheckText(space, nameof(space));
        ArgumentNullException.ThrowIfNull(afterKey);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return readers.ReadAsync<(string, string, int), IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>>(
            (space, afterKey, Math.Min(limit, MaxList)),
            static (connection, state) =>
            {
                var facts = new List<KeyValuePair<string, ReadOnlyMemory<byte>>>();
                using var rows = connection.Use(SelectMany).Bind(1, state.Item1).Bind(2, state.Item2).Bind(3, state.Item3);
                while (rows.Step())
                    facts.Add(new(rows.Text(0), rows.Blob(1).ToArray()));
                return facts;
            },
            cancellationToken);
    }

    public async ValueTask SetAsync(
        string space, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken)
    {
        CheckText(space, nameof(space));
        ArgumentNullException.ThrowIfNull(facts);
        if (facts.Count == 0)
            return;
        var copies = new (string Key, byte[]? Value)[facts.Count];
        var bytes = 0;
        for (var i = 0; i < copies.Length; i++)
        {
            CheckText(facts[i].Key, "key");
            if (facts[i].Value is { } value && value.Length > MaxBytes)
                throw new ArgumentException($"value: {value.Length} bytes, at most {MaxBytes} are kept", nameof(facts));
            copies[i] = (facts[i].Key, facts[i].Value?.ToArray());
            bytes += 64 + copies[i].Key.Length + (copies[i].Value?.Length ?? 0);
        }
        await writer.RunAsync(
            bytes,
            batch =>
            {
                foreach (var (key, value) in copies)
                {
                    if (value is null)
                        batch.Connection.Use(Delete).Bind(1, space).Bind(2, key).Run();
                    else
                        batch.Connection.Use(Put).Bind(1, space).Bind(2, key).Bind(3, value).Run();
                }
                return true;
            },
            cancellationToken);
    }

    private static void CheckText(string text, string field)
    {
        var bytes = StoredText.ByteCount(text, field);
        if (bytes is 0 or > MaxBytes)
            throw new ArgumentException($"{field}: {bytes} bytes, allowed are 1 to {MaxBytes}");
    }
}
