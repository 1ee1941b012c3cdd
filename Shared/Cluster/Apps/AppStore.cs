using System.Security.Cryptography;
using System.Text.Json;
using PushSystem.Cluster.Etcd;
using PushSystem.Contracts;

namespace PushSystem.Cluster.Apps;

/// <summary>An app in etcd that cannot be read, and why.</summary>
public sealed record UnreadableApp(string Id, string Reason);

/// <summary>
/// The apps in etcd, one request at a time: for tools, and under <see cref="EtcdAppDirectory"/>. Thread-safe; owns nothing; throws
/// <see cref="EtcdException"/> while etcd is away.
/// </summary>
public sealed class AppStore(IEtcd etcd, ClusterKeys keys, AppCipher cipher)
{
    /// <summary>All apps ordered by id, and those that cannot be read.</summary>
    public async ValueTask<(IReadOnlyList<AppRecord> Apps, IReadOnlyList<UnreadableApp> Unreadable)> ReadAllAsync(CancellationToken cancellationToken)
    {
        var (apps, unreadable) = (new List<AppRecord>(), new List<UnreadableApp>());
        foreach (var entry in (await etcd.ListAsync(keys.Apps, cancellationToken)).Entries)
        {
            var id = entry.Key[keys.Apps.Length..];
            if (TryOpen(id, entry.ModRevision, entry.Value.Span, out var reason) is { } app)
                apps.Add(app);
            else
                unreadable.Add(new UnreadableApp(id, reason));
        }
        return (apps, unreadable);
    }

    /// <summary>One app, or null when there is none. Throws <see cref="InvalidDataException"/> when it cannot be read.</summary>
    public async ValueTask<AppRecord?> FindAsync(string id, CancellationToken cancellationToken)
    {
        if (await etcd.GetAsync(keys.Apps + id, cancellationToken) is not { } entry)
            return null;
        return TryOpen(id, entry.ModRevision, entry.Value.Span, out var reason) ?? throw new InvalidDataException($"app '{id}' cannot be read: {reason}");
    }

    /// <summary>
    /// Seals apps anew that are still under an older cluster key, so that it can be given up. Returns how many; what changes meanwhile
    /// is sealed anew by that. Throws <see cref="CryptographicException"/> at the first that cannot be opened.
    /// </summary>
    public async ValueTask<int> SealAnewAsync(CancellationToken cancellationToken)
    {
        var count = 0;
        foreach (var entry in (await etcd.ListAsync(keys.Apps, cancellationToken)).Entries)
        {
            var id = entry.Key[keys.Apps.Length..];
            if (cipher.IsCurrent(entry.Value.Span))
                continue;
            count += await WriteAsync(id, cipher.Open(id, entry.Value.Span), entry.ModRevision, cancellationToken) is null ? 0 : 1;
        }
        return count;
    }

    /// <summary>
    /// Writes a record's JSON if the stored revision is the expected one (0 = it must not exist). The new revision, or null when it is another.
    /// </summary>
    internal async ValueTask<long?> WriteAsync(string id, byte[] json, long expectedRevision, CancellationToken cancellationToken)
    {
        var key = keys.Apps + id;
        var value = cipher.Seal(id, json);
        EtcdException? lost = null;
        try
        {
            var reply = await etcd.CommitAsync(
                new EtcdTransaction([new EtcdCondition(key, EtcdTarget.ModRevision, expectedRevision)], [new EtcdWrite(key, value, 0)]), cancellationToken);
            if (reply.Succeeded)
                return reply.Revision;
        }
        catch (EtcdException exception) when (!exception.IsRefused)
        {
            lost = exception;
        }
        // Every sealed value is unique: after an answer that was lost, or a request that was repeated below, the stored bytes tell
        // whether the write was done.
        var stored = await etcd.GetAsync(key, cancellationToken);
        if (stored is not null && stored.Value.Span.SequenceEqual(value))
            return stored.ModRevision;
        // Not there now, but the lost request may still be on its way.
        return lost is null ? null : throw lost;
    }

    /// <summary>The record, or null and why it cannot be read.</summary>
    internal AppRecord? TryOpen(string id, long revision, ReadOnlySpan<byte> value, out string reason)
    {
        try
        {
            var record = AppRecordJson.Read(id, revision, cipher.Open(id, value));
            AppRecordCheck.Validate(record);
            reason = "";
            return record;
        }
        catch (Exception exception) when (exception is CryptographicException or JsonException or InvalidDataException or ArgumentException)
        {
            reason = exception.Message;
            return null;
        }
    }
}
