using PushSystem.Contracts;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Events;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Apps;

/// <summary>
/// <see cref="IAppDirectory"/> over SQLite: reads come from an immutable view in memory, on any thread; saves go through the writer.
/// </summary>
internal sealed class SqlAppDirectory(AppTable apps, GroupCommitWriter writer, long firstEpoch) : IAppDirectory
{
    private const string Insert = "INSERT INTO apps (app, revision, record) VALUES (?1, ?2, ?3)";
    private const string Update = "UPDATE apps SET revision = ?2, record = ?3 WHERE app = ?1";
    private const string InsertLog = "INSERT INTO broadcast_logs (app_id, epoch, first_seq, top, known_users) VALUES (?1, ?2, 1, 0, 0)";

    private readonly Lock _telling = new();

    public event Action<string>? Changed;

    public AppRecord? Find(string id) => apps.Find(id)?.Record;

    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => apps.View.Committed.FindByHash(hash);

    public IReadOnlyList<AppRecord> All => apps.View.Committed.All;

    public async ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(app);
        ArgumentOutOfRangeException.ThrowIfNegative(expectedRevision);
        AppRecordCheck.Validate(app);
        // The caller's lists and memory may change later.
        var json = AppRecordJson.Write(app);
        var stored = AppRecordJson.Read(app.Id, expectedRevision + 1, json);
        var (saved, foreignKey) = await writer.RunAsync(json.Length, batch => Save(batch, stored, json, expectedRevision), cancellationToken);
        if (foreignKey is not null)
            throw new ArgumentException($"apiKeys: the key '{foreignKey}' belongs to another app", nameof(app));
        if (saved is not null)
            TellChanged(saved.Id);
        return saved;
    }

    private void TellChanged(string app)
    {
        lock (_telling)
            Changed?.Invoke(app);
    }

    private (AppRecord? Saved, string? ForeignKey) Save(WriteBatch batch, AppRecord app, byte[] json, long expectedRevision)
    {
        var view = apps.View.Working;
        var existing = view.Find(app.Id);
        if ((existing?.Record.Revision ?? 0) != expectedRevision)
            return (null, null);
        foreach (var key in app.ApiKeys)
        {
            if (view.FindByHash(key.Hash.Span) is { } owner && owner.Id != app.Id)
                return (null, key.Id);
        }
        batch.Connection.Use(existing is null ? Insert : Update).Bind(1, app.Id).Bind(2, app.Revision).Bind(3, json).Run();
        var state = existing?.State;
        if (state is null)
        {
            var id = checked((int)batch.Connection.LastRowId);
            batch.Connection.Use(InsertLog).Bind(1, id).Bind(2, firstEpoch).Run();
            state = new AppState(id, app.Id, LogState.Empty((uint)firstEpoch), EventTotals.None);
        }
        apps.View.Set(batch, view.With(new AppEntry(app, state)));
        return (app, null);
    }
}
