using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;

namespace PushSystem.Cluster.Election;

/// <summary>
/// Campaigns for one name, one leader at a time. A candidate is a key under the process's lease; the one with the lowest
/// create_revision leads, and each of the others watches only the one before it, so that a leader's end wakes one candidate.
/// Any thread, but one campaign at a time. Holds nothing between campaigns.
/// </summary>
/// <param name="etcd">etcd.</param>
/// <param name="keys">Where the cluster's keys lie.</param>
/// <param name="leases">The process's lease.</param>
/// <param name="name">What is campaigned for; no "/".</param>
/// <param name="candidate">Who campaigns, for those who read the keys.</param>
public sealed class LeaderElection(EtcdClient etcd, ClusterKeys keys, ILeaseSource leases, string name, string candidate)
{
    private static readonly TimeSpan ResignTimeout = TimeSpan.FromSeconds(2);
    private readonly string _prefix = name.Length > 0 && !name.Contains('/') ? keys.Election(name) : throw new ArgumentException("an election's name is not empty and holds no '/'", nameof(name));

    /// <summary>
    /// Waits until this process leads. Goes on by itself when etcd is away or the lease was lost meanwhile. Cancelled: is no candidate
    /// any more.
    /// </summary>
    public async Task<Leadership> CampaignAsync(CancellationToken cancellationToken)
    {
        var failures = 0;
        while (true)
        {
            var lease = await leases.LeaseAsync(cancellationToken);
            // Fixed length: no candidate's key is the beginning of another's.
            var key = _prefix + lease.Id.ToString("x16", CultureInfo.InvariantCulture);
            try
            {
                if (await TryCampaignAsync(lease, key, cancellationToken) is { } won)
                    return won;
            }
            catch (EtcdException exception)
            {
                ClusterLog.CampaignFailed(etcd.Logger, name, exception.Message);
                await Task.Delay(BackOff.After(++failures, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2)), etcd.Clock, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                await WithdrawAsync(key, 0);
                throw;
            }
        }
    }

    /// <summary>Null when the campaign has to begin anew.</summary>
    private async Task<Leadership?> TryCampaignAsync(LeaseKeeper lease, string key, CancellationToken cancellationToken)
    {
        var token = await EnterAsync(lease, key, cancellationToken);
        while (token != 0 && !lease.Lost.IsCompleted)
        {
            var list = await etcd.ListAsync(_prefix, cancellationToken);
            if (list.Entries.FirstOrDefault(entry => entry.Key == key)?.CreateRevision != token)
                return null;
            var before = list.Entries.Where(entry => entry.CreateRevision < token).MaxBy(entry => entry.CreateRevision);
            if (before is null)
            {
                ClusterLog.Elected(etcd.Logger, name, token);
                return new Leadership(name, key, token, lease, etcd.Mirror(key), ResignAsync);
            }
            ClusterLog.Waiting(etcd.Logger, name, token, before.CreateRevision);
            await WaitForEndAsync(before, list.Revision, key, token, lease, cancellationToken);
        }
        return null;
    }

    /// <summary>Makes the candidate's key, or finds it made: the outcome of an earlier attempt may have been unknown. 0 = the lease is gone.</summary>
    private async Task<long> EnterAsync(LeaseKeeper lease, string key, CancellationToken cancellationToken)
    {
        try
        {
            var reply = await etcd.CommitAsync(
                new EtcdTransaction([EtcdCondition.Absent(key)], [new EtcdWrite(key, Encoding.UTF8.GetBytes(candidate), lease.Id)]), cancellationToken);
            if (reply.Succeeded)
                return reply.Revision;
        }
        catch (EtcdException exception) when (exception.Code == EtcdFailure.NotFound)
        {
            // The lease's own loop finds out as well; until then a pause keeps this from spinning.
            await Task.Delay(TimeSpan.FromMilliseconds(100), etcd.Clock, cancellationToken);
            return 0;
        }
        return (await etcd.GetAsync(key, cancellationToken))?.CreateRevision ?? 0;
    }

    /// <summary>Until the candidate before this one is gone, or this one is.</summary>
    private async Task WaitForEndAsync(
        EtcdEntry before, long revision, string key, long token, LeaseKeeper lease, CancellationToken cancellationToken)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var mirror = etcd.Mirror(before.Key);
        await using var own = etcd.Mirror(key);
        mirror.Changed += (_, after) => Check(after, before.Key, before.CreateRevision, revision);
        own.Changed += (_, after) => Check(after, key, token, revision);
        Check(mirror.Current, before.Key, before.CreateRevision, revision);
        Check(own.Current, key, token, revision);
        await Task.WhenAny(gone.Task, lease.Lost).WaitAsync(cancellationToken);

        void Check(EtcdSnapshot snapshot, string watched, long created, long since)
        {
            if (snapshot.Revision >= since && snapshot.Entries.GetValueOrDefault(watched)?.CreateRevision != created)
                gone.TrySetResult();
        }
    }

    private async ValueTask ResignAsync(Leadership leadership)
    {
        ClusterLog.LeadershipEnded(etcd.Logger, name, leadership.Token, await leadership.Ended);
        await WithdrawAsync(leadership.Key, leadership.Token);
    }

    /// <summary>Removes the candidate's key (if it is the one with this token); else the lease's end does it.</summary>
    private async Task WithdrawAsync(string key, long token)
    {
        using var limit = new CancellationTokenSource(ResignTimeout, etcd.Clock);
        try
        {
            IReadOnlyList<EtcdCondition> conditions = token == 0 ? [] : [new EtcdCondition(key, EtcdTarget.CreateRevision, token)];
            await etcd.CommitAsync(new EtcdTransaction(conditions, [new EtcdWrite(key, null, 0)]), limit.Token);
        }
        catch (Exception exception) when (exception is EtcdException or OperationCanceledException)
        {
            ClusterLog.CampaignFailed(etcd.Logger, name, exception.Message);
        }
    }
}
