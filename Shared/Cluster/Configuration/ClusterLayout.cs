using System.Text.Json;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// What was laid down when the cluster was created: into how many partitions the mailboxes and into how many parts the registry is
/// divided. It cannot change afterwards, because stored data lies where these numbers say. Immutable; JSON in etcd, members that a
/// reader does not know are ignored.
/// </summary>
public sealed record ClusterLayout(int Partitions, int RegistryParts)
{
    /// <summary>Most partitions, and most parts.</summary>
    public const int Most = 4_096;

    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>64 partitions, 64 parts.</summary>
    public static ClusterLayout Default { get; } = new(64, 64);

    /// <summary>
    /// The cluster's layout; when there is none, the default is laid down (whoever is first wins). Throws <see cref="EtcdException"/>,
    /// and <see cref="InvalidDataException"/> when what is stored cannot be used.
    /// </summary>
    public static async ValueTask<ClusterLayout> LoadAsync(IEtcd etcd, ClusterKeys keys, CancellationToken cancellationToken)
    {
        if (await FindAsync(etcd, keys, cancellationToken) is { } existing)
            return existing;
        await CreateAsync(etcd, keys, Default, cancellationToken);
        return await FindAsync(etcd, keys, cancellationToken) ?? throw new InvalidDataException($"{keys.Layout} was removed while it was read");
    }

    /// <summary>
    /// The same for the start of a node: while etcd is away the copy of its disk serves, which cannot be outdated; without one it asks
    /// etcd again until it answers. Throws <see cref="InvalidDataException"/> when what is stored cannot be used.
    /// </summary>
    public static async Task<ClusterLayout> StartAsync(
        IEtcd etcd, ClusterKeys keys, string lastGoodPath, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var layout = await LoadAsync(etcd, keys, cancellationToken);
                if (LastGoodFile.Read(lastGoodPath, keys.Root, out _) is not { } saved || !saved.Content.AsSpan().SequenceEqual(layout.Write()))
                    LastGoodFile.Write(lastGoodPath, keys.Root, 1, layout.Write());
                return layout;
            }
            catch (EtcdException exception)
            {
                if (LastGoodFile.Read(lastGoodPath, keys.Root, out _) is { } saved)
                {
                    ClusterLog.LayoutFromDisk(logger, lastGoodPath);
                    return Read(lastGoodPath, saved.Content);
                }
                ClusterLog.WaitingForLayout(logger, exception.Message);
                await Task.Delay(RetryDelay, time, cancellationToken);
            }
        }
    }

    /// <summary>The layout, or null when the cluster has none yet.</summary>
    public static async ValueTask<ClusterLayout?> FindAsync(IEtcd etcd, ClusterKeys keys, CancellationToken cancellationToken) =>
        await etcd.GetAsync(keys.Layout, cancellationToken) is { } entry ? Read(keys.Layout, entry.Value.Span) : null;

    /// <summary>Lays it down. False: there is one already, whichever.</summary>
    public static async ValueTask<bool> CreateAsync(IEtcd etcd, ClusterKeys keys, ClusterLayout layout, CancellationToken cancellationToken)
    {
        layout.Validate();
        var reply = await etcd.CommitAsync(
            new EtcdTransaction([EtcdCondition.Absent(keys.Layout)], [new EtcdWrite(keys.Layout, layout.Write(), 0)]), cancellationToken);
        return reply.Succeeded;
    }

    /// <summary>Throws <see cref="ArgumentException"/> that names the number and the limit.</summary>
    public void Validate()
    {
        if (Partitions is < 1 or > Most)
            throw new ArgumentException($"partitions: {Partitions} is out of range, 1 to {Most} are allowed");
        if (RegistryParts is < 1 or > Most)
            throw new ArgumentException($"registryParts: {RegistryParts} is out of range, 1 to {Most} are allowed");
    }

    private byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, JsonSerializerOptions.Web);

    private static ClusterLayout Read(string key, ReadOnlySpan<byte> json)
    {
        try
        {
            var layout = JsonSerializer.Deserialize<ClusterLayout>(json, JsonSerializerOptions.Web) ?? throw new InvalidDataException($"{key} is empty");
            layout.Validate();
            return layout;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"{key} holds no usable layout: {exception.Message}", exception);
        }
    }
}
