using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Claims;
using PushSystem.Saver.Events;
using PushSystem.Saver.Facts;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Multicasts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver;

/// <summary>
/// The message store in one SQLite database: owns the data folder, the writing thread, the readers and the background work.
/// The stores it offers are thread-safe; every change they answer is committed and synced.
/// Its opener disposes it, which commits what is queued and closes the database.
/// </summary>
public sealed class SqlStore : IAsyncDisposable
{
    private const long ReaderCacheBytes = 4 * 1024 * 1024;

    private readonly DataFolder _folder;
    private readonly GroupCommitWriter _writer;
    private readonly ReaderPool _readers;
    private readonly Checkpointer _checkpointer;
    private readonly Sweeper _sweeper;
    private readonly SaverMetrics _metrics;
    private readonly ILogger _logger;
    private readonly ITimer _flushTimer;
    private readonly MailboxTable _table;
    private readonly Journal _journal;
    private int _disposed;

    private SqlStore(
        DataFolder folder, RawConnection connection, StoreMeta meta, SaverOptions options, SaverMetrics metrics, TimeProvider clock,
        ILogger logger)
    {
        _folder = folder;
        _metrics = metrics;
        _logger = logger;
        StoreId = meta.StoreId;
        RawConnection OpenReader() => RawConnection.Open(folder.DatabasePath, writable: false, ReaderCacheBytes);
        RawConnection OpenWriter() => RawConnection.Open(folder.DatabasePath, writable: true, options.PageCacheBytes);
        RawConnection OpenCheckpointer() => RawConnection.Open(folder.DatabasePath, writable: true, ReaderCacheBytes);

        var apps = new AppTable();
        var table = new MailboxTable(options);
        var journal = new Journal(options, metrics);
        var counters = new BroadcastCounters();
        var mailboxWriter = new MailboxWriter(apps, table, journal, counters, metrics, logger, meta.FirstEpoch);
        var state = new StoreState(apps, table, journal, mailboxWriter, counters, meta.FirstEpoch);
        state.Reload(connection);
        (_table, _journal) = (table, journal);
        RecentMessages = journal.Count;

        _checkpointer = new Checkpointer(OpenCheckpointer, options, metrics, logger);
        _readers = new ReaderPool(OpenReader, options.Readers);
        _writer = new GroupCommitWriter(connection, OpenWriter, state, options, metrics, clock, logger)
        {
            BetweenBatches = _checkpointer.AfterBatch,
            Closing = CheckpointAll,
        };
        var opener = new MailboxOpener(table, logger);
        var reader = new MailboxReader(table, metrics, logger);
        var broadcasts = new SqlBroadcastLog(
            apps, _writer, _readers, counters, new PayloadCache(options.BroadcastCacheBytes), options, metrics, clock);
        Mailboxes = new SqlMailboxes(
            apps, table, mailboxWriter, opener, reader, _writer, _readers, options, metrics, clock, meta.FirstEpoch);
        Broadcasts = broadcasts;
        var multicasts = new SqlMulticasts(apps, _writer, _readers, new SqlSubtasks(_writer), options);
        Multicasts = multicasts;
        Claims = new SqlWorkClaims(_writer);
        Events = new SqlEventQueue(apps, _writer, _readers);
        Idempotency = new SqlIdempotencyStore(apps, _writer, _readers, clock);
        Facts = new SqlFactStore(_writer, _readers);
        Apps = new SqlAppDirectory(apps, _writer, meta.FirstEpoch);
        _sweeper = new Sweeper(apps, table, mailboxWriter, broadcasts, multicasts, _writer, options, clock, logger);

        metrics.Observe("push_saver_mailboxes_cached", null, "Mailboxes in memory", () => table.Count);
        metrics.Observe("push_saver_journal_bytes", "By", "Bytes of recent messages", () => journal.Bytes);
        metrics.Observe("push_saver_database_bytes", "By", "Size of the database and its log", folder.Size);

        _writer.Start();
        _sweeper.Start();
        _flushTimer = clock.CreateTimer(
            _ =>
            {
                if (table.NotedCount > 0)
                    _writer.RequestFlush();
            }, null, options.AckFlushInterval, options.AckFlushInterval);
    }

    /// <summary>Identifies the database; made with it.</summary>
    public string StoreId { get; }

    /// <summary>The mailboxes.</summary>
    public IMailboxes Mailboxes { get; }

    /// <summary>The broadcast logs.</summary>
    public IBroadcastLog Broadcasts { get; }

    /// <summary>The multicasts.</summary>
    public IMulticasts Multicasts { get; }

    /// <summary>Who does which work.</summary>
    public IWorkClaims Claims { get; }

    /// <summary>Events for webhooks.</summary>
    public IEventQueue Events { get; }

    /// <summary>Kept answers.</summary>
    public IIdempotencyStore Idempotency { get; }

    /// <summary>Named facts.</summary>
    public IFactStore Facts { get; }

    /// <summary>The apps.</summary>
    public IAppDirectory Apps { get; }

    internal GroupCommitWriter Writer => _writer;

    internal Sweeper Sweeper => _sweeper;

    internal int CachedMailboxes => _table.Count;

    internal long JournalBytes => _journal.Bytes;

    private int RecentMessages { get; }

    /// <summary>
    /// Opens the database in the options' folder, creating both when missing. Throws <see cref="IOException"/> when another process has
    /// the folder, <see cref="InvalidDataException"/> when a newer program wrote it, <see cref="ArgumentException"/> for a bad option
    /// and <see cref="StoreUnavailableException"/> when SQLite cannot open it.
    /// </summary>
    public static Task<SqlStore> OpenAsync(
        SaverOptions options, TimeProvider clock, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(loggers);
        options.Validate();
        // Reading the journal takes up to a second and SQLite has no asynchronous calls.
        return Task.Run(() => Open(options, clock, loggers.CreateLogger<SqlStore>()), cancellationToken);
    }

    private static SqlStore Open(SaverOptions options, TimeProvider clock, ILogger logger)
    {
        var folder = DataFolder.Take(options.DataFolder);
        var metrics = new SaverMetrics();
        RawConnection? connection = null;
        try
        {
            connection = RawConnection.Open(folder.DatabasePath, writable: true, options.PageCacheBytes);
            var version = SchemaScripts.Apply(connection, clock, logger);
            var meta = StoreMeta.Load(connection, options.StartNewEpochs, clock, logger);
            var store = new SqlStore(folder, connection, meta, options, metrics, clock, logger);
            SaverLog.StoreOpened(logger, meta.StoreId, options.DataFolder, version, store.Apps.All.Count, store.RecentMessages);
            return store;
        }
        catch (Exception exception)
        {
            connection?.Dispose();
            metrics.Dispose();
            folder.Dispose();
            if (exception is SqliteFailureException)
                throw new StoreUnavailableException($"The database in '{options.DataFolder}' cannot be opened: {exception.Message}", exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _flushTimer.DisposeAsync();
        await _sweeper.DisposeAsync();
        await _writer.DisposeAsync();
        await _checkpointer.DisposeAsync();
        await _readers.DisposeAsync();
        _metrics.Dispose();
        _folder.Dispose();
        SaverLog.StoreClosed(_logger, StoreId);
    }

    private void CheckpointAll(RawConnection connection)
    {
        try
        {
            connection.Checkpoint(truncate: true);
        }
        catch (SqliteFailureException exception)
        {
            SaverLog.FinalCheckpointFailed(_logger, exception);
        }
    }
}
