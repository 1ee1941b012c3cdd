using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Events;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Multicasts;

namespace PushSystem.Saver.Sql;

/// <summary>
/// Removes what expired: a bounded number of rows per commit, with a pause in between, so that sending goes on beside it. One
/// background loop; disposed by the store before the writer.
/// </summary>
internal sealed class Sweeper : IAsyncDisposable
{
    // With more to remove than one round may, the next round comes this much sooner.
    private const int Haste = 10;

    private const string SelectExpired = "SELECT id FROM messages WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    private const string SelectMailbox = "SELECT app_id, user FROM mailboxes WHERE id = ?1";
    private const string DeleteOldParked =
        "DELETE FROM parked WHERE id IN (SELECT id FROM parked ORDER BY id LIMIT ?2) AND parked_at <= ?1";
    private const string DeleteMostParked =
        "DELETE FROM parked WHERE id IN (SELECT id FROM parked WHERE id <= (SELECT max(id) FROM parked) - ?1 ORDER BY id LIMIT ?2)";

    private readonly AppTable _apps;
    private readonly MailboxTable _table;
    private readonly MailboxWriter _mailboxes;
    private readonly SqlBroadcastLog _broadcasts;
    private readonly SqlMulticasts _multicasts;
    private readonly GroupCommitWriter _writer;
    private readonly SaverOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;

    public Sweeper(
        AppTable apps, MailboxTable table, MailboxWriter mailboxes, SqlBroadcastLog broadcasts, SqlMulticasts multicasts,
        GroupCommitWriter writer, SaverOptions options, TimeProvider clock, ILogger logger)
    {
        _apps = apps;
        _table = table;
        _mailboxes = mailboxes;
        _broadcasts = broadcasts;
        _multicasts = multicasts;
        _writer = writer;
        _options = options;
        _clock = clock;
        _logger = logger;
    }

    public void Start() => _loop = Task.Run(RunAsync);

    /// <summary>One round; true when a kind of rows reached the bound and there may be more.</summary>
    public async Task<bool> SweepAsync(CancellationToken cancellationToken)
    {
        if (_table.NoteExpired(_clock.GetUtcNow().ToUnixTimeMilliseconds()) > 0)
            await _writer.FlushAsync(cancellationToken);
        return await _writer.RunAsync(0, Sweep, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var more = false;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(more ? _options.SweepInterval / Haste : _options.SweepInterval, _clock, _stopping.Token);
                more = await SweepAsync(_stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                more = false;
                SaverLog.SweepFailed(_logger, exception);
            }
        }
    }

    private bool Sweep(WriteBatch batch)
    {
        var rows = _options.SweepRows;
        var most = SweepMessages(batch, rows);
        most = Math.Max(most, IdempotencyRows.RemoveOld(batch.Connection, batch.Now, rows));
        most = Math.Max(most, SqlEventQueue.RemoveOldKeys(batch.Connection, batch.Now, rows));
        most = Math.Max(most, _broadcasts.RemoveOld(batch, rows));
        most = Math.Max(most, _multicasts.RemoveOld(batch, rows));
        batch.Connection.Use(DeleteOldParked)
            .Bind(1, batch.Now - (long)_options.ParkedRetention.TotalMilliseconds).Bind(2, rows).Run();
        most = Math.Max(most, batch.Connection.Changes);
        batch.Connection.Use(DeleteMostParked).Bind(1, _options.ParkedMessages).Bind(2, rows).Run();
        return Math.Max(most, batch.Connection.Changes) >= rows;
    }

    private int SweepMessages(WriteBatch batch, int rows)
    {
        var found = 0;
        var mailboxes = new HashSet<long>();
        using (var expired = batch.Connection.Use(SelectExpired).Bind(1, batch.Now).Bind(2, rows))
        {
            for (; expired.Step(); found++)
                mailboxes.Add(MessageId.MailboxOf(expired.Long(0)));
        }
        foreach (var id in mailboxes)
        {
            if (KeyOf(batch.Connection, id) is { } key)
                _mailboxes.Settle(batch, _mailboxes.Take(batch, key));
        }
        return found;
    }

    private UserKey? KeyOf(RawConnection connection, long mailbox)
    {
        using var row = connection.Use(SelectMailbox).Bind(1, mailbox);
        if (!row.Step())
            return null;
        var app = row.Int(0);
        return _apps.View.Working.Entries.FirstOrDefault(entry => entry.State.Id == app) is { } found
            ? new UserKey(found.State.App, row.Text(1))
            : null;
    }
}
