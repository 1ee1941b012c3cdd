using System.Data.Common;
using System.Globalization;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.MySql;

/// <summary>The SQL of broadcast logs. Holds no state; any thread.</summary>
internal sealed class BroadcastSql(SqlLink link, TimeProvider clock)
{
    public const string Store = "broadcasts";

    // Epochs begin at the second in which the log was made, so that a database that was thrown away and made again does not reuse those
    // that clients remember.
    private static readonly DateTimeOffset EpochOrigin = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const string Columns =
        "SELECT b.app, l.epoch, b.seq, b.state, b.kind, b.payload_bytes, b.rate, b.accepted_at, b.expires_at, b.started_at, b.finished_at, b.targeted, "
        + "b.sent, b.acked, b.offline FROM broadcasts b JOIN broadcast_logs l ON l.app = b.app ";
    private const string SelectOne = Columns + "WHERE b.app = @app AND b.seq = @seq";
    private const string SelectPage = Columns + "WHERE b.app = @app AND b.seq < @before ORDER BY b.seq DESC LIMIT @limit";
    private const string SelectUnfinished = Columns + "WHERE b.state IN (0, 1, 2) ORDER BY b.accepted_at, b.app, b.seq";
    private const string SelectView =
        "SELECT seq, state, kind, payload_bytes, accepted_at, expires_at FROM broadcasts WHERE app = @app AND seq >= @first ORDER BY seq";
    private const string SelectLog = "SELECT epoch, version, first_seq, top, bytes FROM broadcast_logs WHERE app = @app";
    private const string InsertLog =
        "INSERT IGNORE INTO broadcast_logs (app, epoch, version, first_seq, top, bytes) VALUES (@app, @epoch, @version, 1, 0, 0)";
    private const string UpdateLog =
        "UPDATE broadcast_logs SET version = version + 1, first_seq = @first, top = @top, bytes = @bytes WHERE app = @app";
    private const string Insert =
        "INSERT INTO broadcasts (app, seq, state, kind, payload_bytes, rate, accepted_at, expires_at, started_at, finished_at, targeted, sent, acked, "
        + "offline, has_payload, payload) VALUES (@app, @seq, 0, @kind, @bytes, @rate, @now, @expires, 0, 0, 0, 0, 0, 0, 1, @payload)";
    private const string Update =
        "UPDATE broadcasts SET state = @state, rate = @rate, started_at = @started, finished_at = @finished, targeted = @targeted, sent = @sent, "
        + "offline = @offline WHERE app = @app AND seq = @seq";
    private const string SelectPayload =
        "SELECT b.payload FROM broadcasts b JOIN broadcast_logs l ON l.app = b.app WHERE b.app = @app AND b.seq = @seq AND l.epoch = @epoch AND b.payload IS NOT NULL";
    private const string SelectVersions = "SELECT app, version FROM broadcast_logs";

    public Task<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        link.ReadAsync(Store, session => FindAsync(session, app, epoch, seq, isLocked: false), cancellationToken);

    public static async Task<BroadcastRecord?> FindAsync(SqlSession session, string app, uint? epoch, long seq, bool isLocked)
    {
        var rows = await session.ReadAsync(SelectOne + (isLocked ? " FOR UPDATE" : ""), Read, ("app", SqlSession.Key(app)), ("seq", seq));
        return rows.Count > 0 && (epoch is null || rows[0].Epoch == epoch) ? rows[0] : null;
    }

    public Task<List<BroadcastRecord>> ListAsync(string app, long before, int limit, CancellationToken cancellationToken) =>
        link.ReadAsync(
            Store, session => session.ReadAsync(SelectPage, Read, ("app", SqlSession.Key(app)), ("before", before), ("limit", limit)), cancellationToken);

    public Task<List<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken) =>
        link.ReadAsync(Store, session => session.ReadAsync(SelectUnfinished, Read), cancellationToken);

    public Task<List<(string App, long Version)>> VersionsAsync(CancellationToken cancellationToken) =>
        link.ReadAsync(Store, session => session.ReadAsync(SelectVersions, row => (row.Key(0), row.GetInt64(1))), cancellationToken);

    public async Task<byte[]?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken)
    {
        var rows = await link.ReadAsync(
            Store,
            session => session.ReadAsync(SelectPayload, row => row.Bytes(0), ("app", SqlSession.Key(app)), ("seq", seq), ("epoch", epoch)),
            cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>The view as of one moment. An app that has no log yet gets one.</summary>
    public async Task<LogView> LoadAsync(string app)
    {
        var view = await link.SnapshotAsync(Store, session => ViewAsync(session, app), CancellationToken.None);
        if (view is not null)
            return view;
        await link.WriteAsync(Store, session => LockLogAsync(session, app), CancellationToken.None);
        return await link.SnapshotAsync(Store, session => ViewAsync(session, app), CancellationToken.None)
            ?? throw new InvalidOperationException($"The broadcast log of app '{app}' was removed while it was read.");
    }

    /// <summary>Locks the app's log until the transaction ends; makes it when it is not there.</summary>
    public async Task<LogRow> LockLogAsync(SqlSession session, string app)
    {
        var key = SqlSession.Key(app);
        for (var attempt = 0; ; attempt++)
        {
            var rows = await session.ReadAsync(SelectLog + " FOR UPDATE", ReadLog, ("app", key));
            if (rows.Count > 0 || attempt > 0)
                return rows[0];
            var now = clock.GetUtcNow();
            await session.RunAsync(
                InsertLog, ("app", key), ("epoch", (uint)Math.Max(1, (now - EpochOrigin).TotalSeconds)), ("version", now.ToUnixTimeMilliseconds()));
        }
    }

    /// <summary>Stores the row with the next version.</summary>
    public static Task ChangeLogAsync(SqlSession session, string app, LogRow log) => session.RunAsync(
        UpdateLog, ("app", SqlSession.Key(app)), ("first", log.First), ("top", log.Top), ("bytes", log.Bytes));

    public static Task InsertAsync(SqlSession session, BroadcastRecord record, byte[] payload) => session.RunAsync(
        Insert, ("app", SqlSession.Key(record.App)), ("seq", record.Seq), ("kind", (int)record.Kind), ("bytes", record.PayloadBytes),
        ("rate", record.RatePerSecond), ("now", record.AcceptedAt), ("expires", record.ExpiresAt), ("payload", payload));

    /// <summary>Everything but the count of acknowledgements, which is only ever added to.</summary>
    public static Task UpdateAsync(SqlSession session, BroadcastRecord record) => session.RunAsync(
        Update, ("app", SqlSession.Key(record.App)), ("seq", record.Seq), ("state", (int)record.State), ("rate", record.RatePerSecond),
        ("started", record.StartedAt), ("finished", record.FinishedAt), ("targeted", record.Targeted), ("sent", record.Sent), ("offline", record.Offline));

    private static async Task<LogView?> ViewAsync(SqlSession session, string app)
    {
        var key = SqlSession.Key(app);
        var logs = await session.ReadAsync(SelectLog, ReadLog, ("app", key));
        if (logs.Count == 0)
            return null;
        var log = logs[0];
        var records = await session.ReadAsync(
            SelectView,
            row => new BroadcastRecord
            {
                App = app,
                Epoch = log.Epoch,
                Seq = row.GetInt64(0),
                State = (TaskState)row.GetInt32(1),
                Kind = (PayloadKind)row.GetInt32(2),
                PayloadBytes = row.GetInt32(3),
                RatePerSecond = 0,
                AcceptedAt = row.GetInt64(4),
                ExpiresAt = row.GetInt64(5),
            },
            ("app", key), ("first", log.First));
        if (records.Count != log.Top - log.First + 1)
        {
            throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture, $"The broadcast log of app '{app}' has {records.Count} entries from {log.First} to {log.Top}."));
        }
        return LogView.Of(log.Version, log.Epoch, log.First, records);
    }

    private static LogRow ReadLog(DbDataReader row) =>
        new((uint)row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4));

    private static BroadcastRecord Read(DbDataReader row) => new()
    {
        App = row.Key(0),
        Epoch = (uint)row.GetInt64(1),
        Seq = row.GetInt64(2),
        State = (TaskState)row.GetInt32(3),
        Kind = (PayloadKind)row.GetInt32(4),
        PayloadBytes = row.GetInt32(5),
        RatePerSecond = row.GetInt32(6),
        AcceptedAt = row.GetInt64(7),
        ExpiresAt = row.GetInt64(8),
        StartedAt = row.GetInt64(9),
        FinishedAt = row.GetInt64(10),
        Targeted = row.GetInt64(11),
        Sent = row.GetInt64(12),
        Acked = row.GetInt64(13),
        Offline = row.GetInt64(14),
    };
}

/// <summary>The row of a log.</summary>
internal readonly record struct LogRow(uint Epoch, long Version, long First, long Top, long Bytes);
