using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Saver.Tests.Contracts;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Sql;

/// <summary>A SQLite store in a folder of its own that goes with the test.</summary>
public sealed class SqlStoreUnderTest : IWorkStoreUnderTest
{
    private readonly string _root = Directory.CreateTempSubdirectory("push-saver-").FullName;
    private readonly Action<SaverOptions> _configure;
    private SqlStore? _store;
    private string _folder;

    private SqlStoreUnderTest(Action<SaverOptions> configure)
    {
        _configure = configure;
        _folder = Path.Combine(_root, "data");
    }

    public FakeClock Clock { get; } = new();
    public SqlStore Store => _store!;
    public string Folder => _folder;
    public IMailboxes Mailboxes => Store.Mailboxes;
    public IBroadcastLog Broadcasts => Store.Broadcasts;
    public IEventQueue Events => Store.Events;
    public IIdempotencyStore Idempotency => Store.Idempotency;
    public IFactStore Facts => Store.Facts;
    public IAppDirectory Apps => Store.Apps;
    public IMulticasts Multicasts => Store.Multicasts;
    public IWorkClaims Claims => Store.Claims;

    public static async Task<SqlStoreUnderTest> OpenAsync(Action<SaverOptions>? configure = null, bool diesToReopen = false)
    {
        var store = new SqlStoreUnderTest(configure ?? (_ => { })) { DiesToReopen = diesToReopen };
        await store.OpenStoreAsync(null);
        return store;
    }

    public SaverOptions Options()
    {
        var options = new SaverOptions { DataFolder = _folder };
        _configure(options);
        return options;
    }

    /// <summary>Every <see cref="ReopenAsync()"/> is the death of the process.</summary>
    public bool DiesToReopen { get; init; }

    public Task ReopenAsync() => DiesToReopen ? CrashAsync() : ReopenAsync(null);

    public Task<long> CountRowsAsync(string table) =>
        Store.Writer.RunAsync(0, batch => batch.Connection.Scalar($"SELECT count(*) FROM {table}"), CancellationToken.None);

    public async Task ReopenAsync(Action<SaverOptions>? change)
    {
        await _store!.DisposeAsync();
        await OpenStoreAsync(change);
    }

    /// <summary>Goes on with what was on disk at this moment, as after the death of the process.</summary>
    public async Task CrashAsync()
    {
        var copy = CopyFiles();
        await _store!.DisposeAsync();
        _folder = copy;
        await OpenStoreAsync(null);
    }

    /// <summary>Copies database and log as they are; the lock and the shared memory die with a process.</summary>
    public string CopyFiles()
    {
        var copy = Directory.CreateDirectory(Path.Combine(_root, Guid.NewGuid().ToString("N"))).FullName;
        foreach (var name in (string[])["push.db", "push.db-wal"])
        {
            var source = Path.Combine(_folder, name);
            if (!File.Exists(source))
                continue;
            using var from = new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var to = File.Create(Path.Combine(copy, name));
            from.CopyTo(to);
        }
        return copy;
    }

    public async Task SweepAsync()
    {
        while (await Store.Sweeper.SweepAsync(CancellationToken.None))
        {
        }
    }

    public Task FlushAsync() => Store.Writer.FlushAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (_store is not null)
            await _store.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private async Task OpenStoreAsync(Action<SaverOptions>? change)
    {
        var options = Options();
        change?.Invoke(options);
        _store = await SqlStore.OpenAsync(options, Clock, NullLoggerFactory.Instance, CancellationToken.None);
    }
}
