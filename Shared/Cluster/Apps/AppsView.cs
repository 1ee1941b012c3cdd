using System.Buffers.Binary;
using System.Collections.Frozen;
using PushSystem.Contracts;

namespace PushSystem.Cluster.Apps;

/// <summary>All apps at one moment, by id and by the hashes of their API keys. Immutable; any thread.</summary>
internal sealed class AppsView
{
    private const int HashLength = 32;

    /// <summary>No apps.</summary>
    public static readonly AppsView Empty = new([], null);

    private readonly FrozenDictionary<string, AppRecord> _byId;
    private readonly FrozenDictionary<(UInt128, UInt128), AppRecord> _byHash;

    /// <summary>When two apps hold the same API key, it counts for the first by id, and <paramref name="heldTwice"/> is told.</summary>
    public AppsView(IEnumerable<AppRecord> apps, Action<AppRecord, AppRecord>? heldTwice)
    {
        All = [.. apps.OrderBy(app => app.Id, StringComparer.Ordinal)];
        _byId = All.ToFrozenDictionary(app => app.Id, StringComparer.Ordinal);
        var hashes = new Dictionary<(UInt128, UInt128), AppRecord>();
        foreach (var app in All)
        {
            foreach (var key in app.ApiKeys)
            {
                if (!hashes.TryAdd(Key(key.Hash.Span), app) && hashes[Key(key.Hash.Span)] != app)
                    heldTwice?.Invoke(hashes[Key(key.Hash.Span)], app);
            }
        }
        _byHash = hashes.ToFrozenDictionary();
    }

    /// <summary>Ordered by id.</summary>
    public IReadOnlyList<AppRecord> All { get; }

    public AppRecord? Find(string id) => _byId.GetValueOrDefault(id);

    public AppRecord? FindByHash(ReadOnlySpan<byte> hash) => hash.Length == HashLength ? _byHash.GetValueOrDefault(Key(hash)) : null;

    private static (UInt128, UInt128) Key(ReadOnlySpan<byte> hash) =>
        (BinaryPrimitives.ReadUInt128LittleEndian(hash), BinaryPrimitives.ReadUInt128LittleEndian(hash[16..]));
}
