using System.Data;
using System.Data.Common;
using System.Text;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver.Landing;

/// <summary>
/// Writes what several partitions have to land in one transaction. Holds no state; the lander's loop calls it, and a partition that finds
/// that redis lost data. Rows that the database refuses are found by halving and parked in the table of rejected rows.
/// </summary>
internal sealed class LandingWriter(
    LandingStore store, ClusterSaverOptions options, RedisSaverMetrics metrics, TimeProvider time, ILogger logger)
{
    private const int RowsPerStatement = 128;
    private const int MaxErrorText = 500;

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>
    /// Lands the batches, all rows of one partition or none; a partition whose owner is not the last one is left out. Throws
    /// <see cref="StoreUnavailableException"/> when the database is away.
    /// </summary>
    public async Task<List<LandingResult>> LandAsync(IReadOnlyList<LandingBatch> batches, CancellationToken cancellationToken)
    {
        try
        {
            return await CommitAsync(batches, cancellationToken);
        }
        catch (StoreUnavailableException first)
        {
            // Away, a lost race for a lock, or a row that it does not take?
            if (!await store.PingAsync(cancellationToken))
                throw;
            RedisSaverLog.LandingRefused(logger, batches.Sum(batch => batch.Rows.Count), first);
        }
        return await NarrowAsync(batches, cancellationToken);
    }

    /// <summary>The database answers and refuses the whole: halves it until the refused rows are alone.</summary>
    private async Task<List<LandingResult>> NarrowAsync(IReadOnlyList<LandingBatch> batches, CancellationToken cancellationToken)
    {
        try
        {
            return await CommitAsync(batches, cancellationToken);
        }
        catch (StoreUnavailableException exception)
        {
            if (!await store.PingAsync(cancellationToken))
                throw;
            if (batches is [{ Rows.Count: <= 1 } single])
                return [await LandSingleAsync(single, exception, cancellationToken)];
        }
        var results = new List<LandingResult>();
        if (batches.Count > 1)
        {
            foreach (var half in batches.Chunk((batches.Count + 1) / 2))
                results.AddRange(await NarrowAsync(half, cancellationToken));
            return results;
        }
        // One partition: the earlier half may be committed without the later one; how far it has landed is said by the last.
        var batch = batches[0];
        foreach (var half in batch.Rows.Chunk((batch.Rows.Count + 1) / 2))
        {
            var part = await NarrowAsync([batch with { Rows = half, UpTo = 0 }], cancellationToken);
            if (part[0].Outcome != LandingOutcome.Landed)
                return [part[0] with { Batch = batch }];
        }
        return await CommitAsync([batch with { Rows = [] }], cancellationToken);
    }

    /// <summary>One mailbox that is refused as a whole: row by row, what is refused alone is parked.</summary>
    private async Task<LandingResult> LandSingleAsync(LandingBatch batch, Exception cause, CancellationToken cancellationToken)
    {
        foreach (var row in batch.Rows)
        {
            foreach (var item in row.Messages)
            {
                var alone = new LandingRow(row.User, row.State, 0, [item], []);
                if (await TryAsync(batch, alone, cancellationToken) is { } error)
                    await RejectAsync(batch, row, item.Seq, item.Packed!, error, cancellationToken, item);
            }
            foreach (var item in row.Parked)
            {
                if (await TryAsync(batch, new LandingRow(row.User, row.State, 0, [], [item]), cancellationToken) is { } error)
                    await RejectAsync(batch, row, item.Seq, item.Packed!, error, cancellationToken, item);
            }
            if (await TryAsync(batch, new LandingRow(row.User, row.State, row.DeleteBelow, [], []), cancellationToken) is { } stateError)
                await RejectAsync(batch, row, 0, row.State ?? [], stateError, cancellationToken, null);
        }
        RedisSaverLog.LandedRowByRow(logger, batch.Part, cause.Message);
        return (await CommitAsync([batch with { Rows = [] }], cancellationToken))[0] with { Batch = batch };
    }

    /// <summary>Null: committed. Otherwise why this row alone is refused. Throws when the database is away.</summary>
    private async Task<Exception?> TryAsync(LandingBatch batch, LandingRow row, CancellationToken cancellationToken)
    {
        try
        {
            await CommitAsync([batch with { Rows = [row], UpTo = 0 }], cancellationToken);
            return null;
        }
        catch (StoreUnavailableException exception)
        {
            if (!await store.PingAsync(cancellationToken))
                throw;
            return exception.InnerException ?? exception;
        }
    }

    private async Task RejectAsync(
        LandingBatch batch, LandingRow row, long seq, byte[] content, Exception error, CancellationToken cancellationToken, LandingItem? item)
    {
        await store.RunAsync(async (connection, cancel) =>
        {
            await using var command = store.Command(connection, null);
            command.CommandText =
                "INSERT INTO mailbox_rejected (part, app, user, seq, rejected_at, error, content) VALUES (@part, @app, @user, @seq, @at, @error, @content) " +
                "ON DUPLICATE KEY UPDATE rejected_at = VALUES(rejected_at), error = VALUES(error), content = VALUES(content)";
            LandingStore.Add(command, "@part", batch.Part);
            LandingStore.Add(command, "@app", row.AppBytes.ToArray());
            LandingStore.Add(command, "@user", row.UserBytes.ToArray());
            LandingStore.Add(command, "@seq", seq);
            LandingStore.Add(command, "@at", Now);
            LandingStore.Add(command, "@error", error.Message.Length > MaxErrorText ? error.Message[..MaxErrorText] : error.Message);
            LandingStore.Add(command, "@content", content);
            return await command.ExecuteNonQueryAsync(cancel);
        }, cancellationToken);
        if (item is not null)
            item.IsRejected = true;
        metrics.Rejected.Add(1);
        RedisSaverLog.RowRejected(logger, PackedUser.Read(row.User).ToString(), seq, error);
    }

    private Task<List<LandingResult>> CommitAsync(IReadOnlyList<LandingBatch> batches, CancellationToken cancellationToken) =>
        store.RunAsync(async (connection, cancel) =>
        {
            var started = time.GetTimestamp();
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancel);
            var known = await store.PartsAsync(connection, transaction, [.. batches.Select(batch => batch.Part)], true, cancel);
            var results = new List<LandingResult>(batches.Count);
            var rows = new List<(int Part, LandingRow Row)>();
            foreach (var batch in batches)
            {
                var has = known.TryGetValue(batch.Part, out var row);
                var outcome = row.Fence > batch.Fence ? LandingOutcome.Fenced
                    : !has || row.Epoch != batch.Epoch || row.Jseq > batch.Jseq ? LandingOutcome.Lost
                    : LandingOutcome.Landed;
                results.Add(new LandingResult(batch, outcome, row));
                if (outcome != LandingOutcome.Landed)
                    continue;
                await store.PutAsync(
                    connection, transaction, batch.Part, new PartRow(batch.Epoch, batch.Fence, Math.Max(row.Jseq, batch.UpTo)), cancel);
                rows.AddRange(batch.Rows.Select(one => (batch.Part, one)));
            }
            await WriteAsync(connection, transaction, rows, cancel);
            await transaction.CommitAsync(cancel);
            metrics.LandingSeconds.Record(time.GetElapsedTime(started).TotalSeconds);
            metrics.LandedRows.Add(rows.Sum(row => (long)row.Row.Messages.Count + 1));
            return results;
        }, cancellationToken);

    private async Task WriteAsync(
        DbConnection connection, DbTransaction transaction, List<(int Part, LandingRow Row)> rows, CancellationToken cancellationToken)
    {
        var messages = rows.SelectMany(row => row.Row.Messages.Select(item => (row.Part, row.Row, Item: item)));
        foreach (var chunk in ByBytes(messages, entry => entry.Item.Packed!.Length))
        {
            await ExecuteAsync(
                connection, transaction, chunk,
                "INSERT INTO mailbox_messages (part, app, user, seq, kind, accepted_at, expires_at, payload) VALUES ",
                (statement, entry) => statement.Row(entry.Part, entry.Row, FormattableString.Invariant(
                    $"{entry.Item.Seq}, {(byte)PackedMessage.Kind(entry.Item.Packed)}, {PackedMessage.AcceptedAt(entry.Item.Packed)}, {PackedMessage.ExpiresAt(entry.Item.Packed)}"),
                    entry.Item.Packed![PackedMessage.HeaderBytes..]),
                " ON DUPLICATE KEY UPDATE kind = VALUES(kind), accepted_at = VALUES(accepted_at), expires_at = VALUES(expires_at), payload = VALUES(payload)",
                cancellationToken);
        }
        foreach (var chunk in ByBytes(rows.Where(entry => entry.Row.State is not null), entry => entry.Row.State!.Length))
        {
            await ExecuteAsync(
                connection, transaction, chunk, "INSERT INTO mailboxes (part, app, user, state) VALUES ",
                (statement, entry) => statement.Row(entry.Part, entry.Row, null, entry.Row.State!),
                " ON DUPLICATE KEY UPDATE state = VALUES(state)", cancellationToken);
        }
        foreach (var chunk in rows.Where(entry => entry.Row.DeleteBelow > 0).Chunk(RowsPerStatement))
        {
            await ExecuteAsync(
                connection, transaction, chunk, "DELETE FROM mailbox_messages WHERE ",
                (statement, entry) => statement.Condition(entry.Part, entry.Row, entry.Row.DeleteBelow), "", cancellationToken);
        }
        var parked = rows.SelectMany(row => row.Row.Parked.Select(item => (row.Part, row.Row, Item: item)));
        var now = Now;
        foreach (var chunk in ByBytes(parked, entry => entry.Item.Packed!.Length))
        {
            await ExecuteAsync(
                connection, transaction, chunk,
                "INSERT INTO mailbox_parked (part, app, user, epoch, seq, kind, accepted_at, expires_at, parked_at, payload) VALUES ",
                (statement, entry) => statement.Row(entry.Part, entry.Row, FormattableString.Invariant(
                    $"{entry.Item.Epoch}, {entry.Item.Seq}, {(byte)PackedMessage.Kind(entry.Item.Packed)}, {PackedMessage.AcceptedAt(entry.Item.Packed)}, {PackedMessage.ExpiresAt(entry.Item.Packed)}, {now}"),
                    entry.Item.Packed![PackedMessage.HeaderBytes..]),
                " ON DUPLICATE KEY UPDATE parked_at = VALUES(parked_at)", cancellationToken);
        }
    }

    private async Task ExecuteAsync<T>(
        DbConnection connection, DbTransaction transaction, IReadOnlyCollection<T> entries, string before, Action<Statement, T> add, string after,
        CancellationToken cancellationToken)
    {
        await using var command = store.Command(connection, transaction);
        var statement = new Statement(command, before);
        foreach (var entry in entries)
            add(statement, entry);
        command.CommandText = statement.Finish(after);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private IEnumerable<List<T>> ByBytes<T>(IEnumerable<T> entries, Func<T, int> size)
    {
        var chunk = new List<T>();
        long bytes = 0;
        foreach (var entry in entries)
        {
            if (chunk.Count > 0 && (chunk.Count >= RowsPerStatement || bytes + size(entry) > options.StatementBytes))
            {
                yield return chunk;
                chunk = [];
                bytes = 0;
            }
            chunk.Add(entry);
            bytes += size(entry);
        }
        if (chunk.Count > 0)
            yield return chunk;
    }

    /// <summary>One statement for many rows: numbers stand in the text, bytes are parameters.</summary>
    private sealed class Statement(DbCommand command, string before)
    {
        private readonly StringBuilder _text = new(before);
        private int _parameters;
        private bool _any;

        public void Row(int part, LandingRow row, string? numbers, byte[] content)
        {
            _text.Append(_any ? ", (" : "(").Append(part).Append(", ").Append(Parameter(row.AppBytes.ToArray())).Append(", ")
                .Append(Parameter(row.UserBytes.ToArray())).Append(", ");
            if (numbers is not null)
                _text.Append(numbers).Append(", ");
            _text.Append(Parameter(content)).Append(')');
            _any = true;
        }

        public void Condition(int part, LandingRow row, long below)
        {
            _text.Append(_any ? " OR " : "").Append("(part = ").Append(part).Append(" AND app = ").Append(Parameter(row.AppBytes.ToArray()))
                .Append(" AND user = ").Append(Parameter(row.UserBytes.ToArray())).Append(" AND seq < ").Append(below).Append(')');
            _any = true;
        }

        public string Finish(string after) => _text.Append(after).ToString();

        private string Parameter(byte[] value)
        {
            var name = $"@v{_parameters++}";
            LandingStore.Add(command, name, value);
            return name;
        }
    }
}
