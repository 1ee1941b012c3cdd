using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// The document that etcd holds. Revision 0 and an empty text: there is none. Problem: the stored bytes are no text (which some other
/// tool must have written), and why.
/// </summary>
public sealed record StoredConfiguration(string Yaml, long Revision, string? Problem = null);

/// <summary>An entry of the history.</summary>
public sealed record ConfigurationChange(long Number, DateTimeOffset At, string By, string Note, string Yaml);

/// <summary>
/// Changes the configuration in etcd and keeps its history, for tools. Everything goes through transactions on the revision that was
/// read, so that two people never overwrite each other. Thread-safe; throws <see cref="EtcdException"/> while etcd is away.
/// </summary>
public sealed partial class ConfigurationStore(IEtcd etcd, ClusterKeys keys, TimeProvider time)
{
    /// <summary>Entries of the history that are kept.</summary>
    public const int HistoryLength = 50;

    /// <summary>The document that etcd holds, valid or not.</summary>
    public async ValueTask<StoredConfiguration> ReadAsync(CancellationToken cancellationToken)
    {
        if (await etcd.GetAsync(keys.Configuration, cancellationToken) is not { } entry)
            return new StoredConfiguration("", 0);
        try
        {
            return new StoredConfiguration(ConfigurationDocument.Unpack(entry.Value), entry.ModRevision);
        }
        catch (ConfigurationException exception)
        {
            return new StoredConfiguration("", entry.ModRevision, exception.Message);
        }
    }

    /// <summary>
    /// Puts a document in force if the one in force still has <paramref name="expectedRevision"/> (0 = there is none). Returns its
    /// number in the history, or null when somebody else was faster. Throws <see cref="ConfigurationException"/> when it is not valid.
    /// </summary>
    public async ValueTask<long?> ApplyAsync(string yaml, long expectedRevision, string by, string note, CancellationToken cancellationToken)
    {
        ClusterConfiguration.Parse(yaml);
        var document = ConfigurationDocument.Pack(yaml);
        var history = (await etcd.ListAsync(keys.ConfigurationHistory, cancellationToken)).Entries;
        var number = history.Count == 0 ? 1 : Number(history[^1].Key) + 1;
        List<EtcdWrite> writes =
        [
            new EtcdWrite(keys.Configuration, document, 0),
            new EtcdWrite(Key(number), Entry(document, by, note), 0),
            .. history.Take(Math.Max(0, history.Count + 1 - HistoryLength)).Select(old => new EtcdWrite(old.Key, null, 0)),
        ];
        var reply = await etcd.CommitAsync(
            new EtcdTransaction(
                [new EtcdCondition(keys.Configuration, EtcdTarget.ModRevision, expectedRevision), EtcdCondition.Absent(Key(number))], writes),
            cancellationToken);
        return reply.Succeeded ? number : null;
    }

    /// <summary>The history, oldest first. Entries that cannot be read are left out.</summary>
    public async ValueTask<IReadOnlyList<ConfigurationChange>> HistoryAsync(CancellationToken cancellationToken) =>
        [.. (await etcd.ListAsync(keys.ConfigurationHistory, cancellationToken)).Entries.Select(Read).OfType<ConfigurationChange>()];

    /// <summary>One entry of the history, or null.</summary>
    public async ValueTask<ConfigurationChange?> FindAsync(long number, CancellationToken cancellationToken) =>
        await etcd.GetAsync(Key(number), cancellationToken) is { } entry ? Read(entry) : null;

    private string Key(long number) => keys.ConfigurationHistory + number.ToString("D10", CultureInfo.InvariantCulture);

    private long Number(string key) =>
        long.TryParse(key.AsSpan(keys.ConfigurationHistory.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    // A line of JSON about the change, then the document as it is stored.
    private byte[] Entry(byte[] document, string by, string note) =>
        [.. JsonSerializer.SerializeToUtf8Bytes(new Header(time.GetUtcNow(), by, note), HeaderContext.Default.Header), (byte)'\n', .. document];

    private ConfigurationChange? Read(EtcdEntry entry)
    {
        var end = entry.Value.Span.IndexOf((byte)'\n');
        if (end < 0)
            return null;
        try
        {
            var header = JsonSerializer.Deserialize(entry.Value.Span[..end], HeaderContext.Default.Header);
            return header is null
                ? null
                : new ConfigurationChange(
                    Number(entry.Key), header.At, header.By ?? "", header.Note ?? "", ConfigurationDocument.Unpack(entry.Value[(end + 1)..]));
        }
        catch (Exception exception) when (exception is JsonException or ConfigurationException)
        {
            return null;
        }
    }

    private sealed record Header(DateTimeOffset At, string? By, string? Note);

    [JsonSerializable(typeof(Header))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class HeaderContext : JsonSerializerContext;
}
