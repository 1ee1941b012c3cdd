using System.Globalization;
using Microsoft.Extensions.Logging;

namespace PushSystem.Saver.Sql;

/// <summary>What the database says about itself. Immutable.</summary>
internal sealed record StoreMeta(string StoreId, uint FirstEpoch)
{
    // Epochs begin at the second in which the store was made, so that a store that was thrown away and made again does not reuse
    // those that clients remember; later ones count on by one.
    private static readonly DateTimeOffset EpochOrigin = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const string Select = "SELECT value FROM meta WHERE name = ?1";
    private const string Put = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";

    /// <summary>Reads it, or writes it for a new database; begins new epochs if asked to.</summary>
    public static StoreMeta Load(RawConnection connection, bool startNewEpochs, TimeProvider clock, ILogger logger)
    {
        var now = (uint)Math.Max(1, (clock.GetUtcNow() - EpochOrigin).TotalSeconds);
        connection.Execute("BEGIN IMMEDIATE");
        try
        {
            var isNew = Read(connection, "store_id") is null;
            if (isNew)
            {
                Write(connection, "store_id", Guid.NewGuid().ToString("N"));
                Write(connection, "epoch", now.ToString(CultureInfo.InvariantCulture));
            }
            else if (startNewEpochs)
            {
                StartNewEpochs(connection, now);
                SaverLog.NewEpochsStarted(logger);
            }
            var meta = new StoreMeta(
                Read(connection, "store_id")!, uint.Parse(Read(connection, "epoch")!, CultureInfo.InvariantCulture));
            connection.Execute("COMMIT");
            return meta;
        }
        catch
        {
            if (connection.InTransaction)
                connection.Execute("ROLLBACK");
            throw;
        }
    }

    private static void StartNewEpochs(RawConnection connection, uint now)
    {
        connection.Execute(
            $"""
            WITH recent AS (SELECT mailbox_id, max(seq) AS seq FROM journal GROUP BY mailbox_id),
                 waiting AS (SELECT id >> 36 AS mailbox_id, max(id & 68719476735) AS seq FROM messages GROUP BY id >> 36),
                 skipped AS (SELECT mailbox_id, max(to_seq) AS seq FROM skips GROUP BY mailbox_id)
            INSERT OR REPLACE INTO mailbox_epochs (mailbox_id, epoch, top)
            SELECT id, epoch, max(top, acked, ifnull(recent.seq, 0), ifnull(waiting.seq, 0), ifnull(skipped.seq, 0))
            FROM mailboxes
            LEFT JOIN recent ON recent.mailbox_id = id
            LEFT JOIN waiting ON waiting.mailbox_id = id
            LEFT JOIN skipped ON skipped.mailbox_id = id;
            UPDATE mailboxes SET epoch = max(epoch + 1, {now});
            UPDATE broadcast_logs SET epoch = max(epoch + 1, {now});
            UPDATE meta SET value = max(CAST(value AS INTEGER) + 1, {now}) WHERE name = 'epoch';
            """);
    }

    private static string? Read(RawConnection connection, string name)
    {
        using var row = connection.Use(Select).Bind(1, name);
        return row.Step() ? row.Text(0) : null;
    }

    private static void Write(RawConnection connection, string name, string value) =>
        connection.Use(Put).Bind(1, name).Bind(2, value).Run();
}
