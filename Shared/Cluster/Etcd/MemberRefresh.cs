using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// Asks now and then which members there are and adds those of their client URLs that answer. Owned by EtcdClient; one loop;
/// ends with the client's token.
/// </summary>
internal sealed class MemberRefresh(EtcdOptions options, EndpointList endpoints, EtcdChannel channel, EtcdHttp http, TimeProvider clock, ILogger logger)
{
    private const int MaxMembers = 64;

    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            // Soon, because the only configured member may die next; not at once, because everybody may have just started.
            await Task.Delay(BackOff.Spread(TimeSpan.FromSeconds(1)), clock, stopping);
            while (true)
            {
                try
                {
                    await RefreshAsync(stopping);
                }
                catch (EtcdException)
                {
                    // Told by the channel; the list stays as it is.
                }
                await Task.Delay(BackOff.Spread(options.MemberInterval), clock, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    /// <summary>Asks once. Throws <see cref="EtcdException"/>.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        using var reply = await channel.CallAsync("members", "/v3/cluster/member/list", EtcdRequests.Empty, isRepeatable: true, cancellationToken);
        List<Uri> found = [];
        try
        {
            foreach (var member in EtcdReplies.Array(reply.RootElement, "members"))
            {
                // A learner refuses what is not serializable.
                if (EtcdReplies.Bool(member, "isLearner"))
                    continue;
                foreach (var url in EtcdReplies.Array(member, "clientURLs"))
                {
                    if (found.Count < MaxMembers && url.GetString() is { } text && EtcdEndpoint.TryParse(text, out var address) && IsPlausible(address) && !found.Contains(address))
                        found.Add(address);
                }
            }
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException)
        {
            throw new EtcdException($"the list of members cannot be read: {exception.Message}", inner: exception);
        }
        var known = endpoints.All;
        List<Uri> reachable = [];
        foreach (var address in found)
        {
            // What is known was reachable once; its failures are the list's business.
            if (known.Any(one => one.Address == address) || await http.IsEtcdAsync(address, cancellationToken))
                reachable.Add(address);
            else
                ClusterLog.MemberUnreachable(logger, address.ToString());
        }
        endpoints.Update(reachable);
    }

    /// <summary>
    /// Members often announce "localhost" or "0.0.0.0" by mistake: that would be this machine, and perhaps another etcd, unless the
    /// configured endpoints are local too.
    /// </summary>
    private bool IsPlausible(Uri address)
    {
        if (address.Host is "0.0.0.0" or "[::]")
            return false;
        return !address.IsLoopback || endpoints.All.Any(one => one.IsConfigured && one.Address.IsLoopback);
    }
}
