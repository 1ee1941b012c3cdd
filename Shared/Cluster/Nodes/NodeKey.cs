using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// The steps by which a node's key is made, taken over and changed. Every step is a transaction that compares what it saw, and looks
/// again after an outcome that is unknown. Owned by NodeRegistration, called by its loop only.
/// </summary>
internal sealed class NodeKey(EtcdClient etcd, string name, NodeInfo info, NodeToken token, NodeOptions options)
{
    private const int MaxSteps = 16;

    public string Name => name;

    public NodeInfo Info => info;

    /// <summary>
    /// Takes a lease and makes the key under it: always a new key, so that its create_revision is new. What an earlier process of this
    /// node left is removed first (at the first registration), by revoking its lease, which removes its other keys too.
    /// Throws <see cref="DuplicateNodeException"/> and <see cref="EtcdException"/>; the lease is then given back.
    /// </summary>
    public async Task<NodeHold> CreateAsync(NodeInfo description, bool isFirst, CancellationToken stopping)
    {
        var lease = await LeaseKeeper.GrantAsync(etcd, options.LeaseTime, options.LeaseMargin, stopping);
        try
        {
            var incarnation = await CreateAsync(description, lease, isFirst, stopping);
            ClusterLog.Registered(etcd.Logger, info.Role, info.Id, incarnation, lease.Id);
            return new NodeHold(lease, incarnation, description);
        }
        catch
        {
            await lease.DisposeAsync();
            await TryRevokeAsync(lease.Id);
            throw;
        }
    }

    /// <summary>Writes a new description; false when the key is not the one that was made.</summary>
    public async Task<bool> DescribeAsync(NodeHold hold, NodeInfo description, CancellationToken stopping)
    {
        try
        {
            var reply = await etcd.CommitAsync(
                new EtcdTransaction(
                    [new EtcdCondition(name, EtcdTarget.CreateRevision, hold.Incarnation)],
                    [new EtcdWrite(name, NodeInfoJson.Write(description), hold.Lease.Id)]),
                stopping);
            return reply.Succeeded;
        }
        catch (EtcdException exception) when (exception.Code == EtcdFailure.NotFound)
        {
            // The lease is gone, and the key with it.
            return false;
        }
    }

    /// <summary>Revokes if etcd answers within <see cref="NodeOptions.LeaveTimeout"/>; else the lease ends by itself.</summary>
    public async Task TryRevokeAsync(long lease)
    {
        using var limit = new CancellationTokenSource(options.LeaveTimeout, etcd.Clock);
        try
        {
            await etcd.RevokeAsync(lease, limit.Token);
        }
        catch (Exception exception) when (exception is EtcdException or OperationCanceledException)
        {
            ClusterLog.RevokeFailed(etcd.Logger, lease, exception.Message);
        }
    }

    private async Task<long> CreateAsync(NodeInfo description, LeaseKeeper lease, bool isFirst, CancellationToken stopping)
    {
        EtcdException? last = null;
        for (var step = 0; step < MaxSteps; step++)
        {
            stopping.ThrowIfCancellationRequested();
            var entry = await etcd.GetAsync(name, stopping);
            if (entry is null)
            {
                try
                {
                    var reply = await etcd.CommitAsync(
                        new EtcdTransaction([EtcdCondition.Absent(name)], [new EtcdWrite(name, NodeInfoJson.Write(description), lease.Id)]), stopping);
                    if (reply.Succeeded)
                        return reply.Revision;
                }
                catch (EtcdException exception) when (!exception.IsRefused)
                {
                    // Done or not: the next look tells.
                    last = exception;
                }
            }
            else if (entry.Lease == lease.Id)
            {
                return entry.CreateRevision;
            }
            else
            {
                await RemoveAsync(entry, isFirst, stopping);
            }
        }
        throw last ?? new EtcdException($"the key {name} changed {MaxSteps} times while this node registered");
    }

    /// <summary>Removes a key that only an earlier life of this node can have left, else throws.</summary>
    private async Task RemoveAsync(EtcdEntry entry, bool isFirst, CancellationToken stopping)
    {
        CheckOwner(entry, isFirst);
        ClusterLog.TakenOver(etcd.Logger, info.Role, info.Id, entry.CreateRevision);
        if (entry.Lease != 0)
        {
            await etcd.RevokeAsync(entry.Lease, stopping);
            return;
        }
        await etcd.CommitAsync(
            new EtcdTransaction([new EtcdCondition(name, EtcdTarget.ModRevision, entry.ModRevision)], [new EtcdWrite(name, null, 0)]), stopping);
    }

    private void CheckOwner(EtcdEntry entry, bool isFirst)
    {
        NodeInfo other;
        try
        {
            other = NodeInfoJson.Read(entry.Value, entry.CreateRevision);
        }
        catch (FormatException exception)
        {
            // Without a lease nobody keeps it alive: a leftover.
            if (entry.Lease == 0)
                return;
            throw Duplicate($"its key {name} is kept alive by somebody and holds no node ({exception.Message})");
        }
        if (entry.Lease == 0 || other.Process == info.Process)
            return;
        if (!token.IsOwn(other.Process))
            throw Duplicate($"another process is registered under this id, at {other.Host}:{other.Port} (incarnation {other.Incarnation}); give one of them another id, or wait until its lease has ended");
        if (!isFirst)
            throw Duplicate($"a newer process of this node is registered, at {other.Host}:{other.Port} (incarnation {other.Incarnation})");
        // The same token on two machines is a copied data folder, not a restart.
        if (other.Host != info.Host)
            throw Duplicate($"a process with a copy of this data folder is registered at {other.Host}:{other.Port}, this one is at {info.Host}; remove the copied token, or wait until the other's lease has ended");
    }

    private DuplicateNodeException Duplicate(string what) => new(info.Role, info.Id, $"node {info.Role}/{info.Id}: {what}");
}
