using PushSystem.Contracts;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Events;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Apps;

/// <summary>
/// What the store holds of one app: its number in the database, its log and queue. Any thread reads committed values; the writing
/// thread changes them. Lives as long as the store, or until it is loaded again after a failure.
/// </summary>
internal sealed class AppState(int id, string app, LogState log, EventTotals events)
{
    public int Id => id;
    public string App => app;
    public Versioned<LogState> Log { get; } = new(log);
    public Versioned<EventTotals> Events { get; } = new(events);
    /// <summary>Writing thread only: the log's row must be written before the commit.</summary>
    public bool LogChanged { get; set; }
}

/// <summary>An app with its record; immutable.</summary>
internal sealed record AppEntry(AppRecord Record, AppState State);

/// <summary>All apps at one moment; immutable.</summary>
internal sealed class AppsView
{
    public static readonly AppsView Empty = new([]);

    private readonly Dictionary<string, AppEntry> _byId;
    private readonly Dictionary<KeyHash, AppRecord> _byHash = [];

    private AppsView(Dictionary<string, AppEntry> byId)
    {
        _byId = byId;
        foreach (var entry in byId.Values)
        {
            foreach (var key in entry.Record.ApiKeys)
                _byHash[new KeyHash(key.Hash.Span)] = entry.Record;
        }
        All = [.. byId.Values.Select(entry => entry.Record).OrderBy(record => record.Id, StringComparer.Ordinal)];
    }

    public IReadOnlyList<AppRecord> All { get; }

    public IEnumerable<AppEntry> Entries => _byId.Values;

    public AppEntry? Find(string id) => _byId.GetValueOrDefault(id);

    public AppRecord? FindByHash(ReadOnlySpan<byte> hash) =>
        hash.Length == KeyHash.Length ? _byHash.GetValueOrDefault(new KeyHash(hash)) : null;

    public AppsView With(AppEntry entry) => new(new Dictionary<string, AppEntry>(_byId) { [entry.Record.Id] = entry });

    public static AppsView Of(IEnumerable<AppEntry> entries) => new(entries.ToDictionary(entry => entry.Record.Id));

    /// <summary>A SHA-256 hash as a key of a dictionary.</summary>
    private readonly record struct KeyHash
    {
        public const int Length = 32;
        private readonly UInt128 _low;
        private readonly UInt128 _high;

        public KeyHash(ReadOnlySpan<byte> hash)
        {
            _low = System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash);
            _high = System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash[16..]);
        }
    }
}

/// <summary>The current view of all apps, with the check that every other part of the store begins with.</summary>
internal sealed class AppTable
{
    public Versioned<AppsView> View { get; private set; } = new(AppsView.Empty);

    /// <summary>Replaces everything, at start and after a failure. Writing thread, or before it runs.</summary>
    public void Load(AppsView view) => View = new Versioned<AppsView>(view);

    public AppEntry? Find(string app) => View.Committed.Find(app);

    /// <summary>The app, or <see cref="ArgumentException"/>.</summary>
    public AppEntry Require(string app) =>
        Find(app) ?? throw new ArgumentException($"app: '{app}' does not exist", nameof(app));
}
