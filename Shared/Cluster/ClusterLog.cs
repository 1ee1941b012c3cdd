using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster;

/// <summary>Log messages about etcd, leases, nodes and elections. Ids 7000–7029: calls; 7030–7059: watches; 7060–7079: leases and nodes; 7080–7099: elections.</summary>
internal static partial class ClusterLog
{
    [LoggerMessage(7000, LogLevel.Information, "etcd: going on at {Next} instead of {Previous}")]
    public static partial void EndpointSwitched(ILogger logger, string previous, string next);

    [LoggerMessage(7001, LogLevel.Debug, "etcd endpoint {Endpoint} failed: {Reason}")]
    public static partial void EndpointFailed(ILogger logger, string endpoint, string reason);

    [LoggerMessage(7002, LogLevel.Information, "etcd endpoint {Endpoint} found by asking the members")]
    public static partial void EndpointFound(ILogger logger, string endpoint);

    [LoggerMessage(7003, LogLevel.Information, "etcd member {Endpoint} is not used: it cannot be reached from here")]
    public static partial void MemberUnreachable(ILogger logger, string endpoint);

    [LoggerMessage(7004, LogLevel.Warning, "etcd does not ask for a password, but Etcd:User is {User}: going on without")]
    public static partial void AuthenticationOff(ILogger logger, string user);

    [LoggerMessage(7005, LogLevel.Warning, "etcd gave no token to {User}: {Reason}")]
    public static partial void AuthenticationFailed(ILogger logger, string user, string reason);

    [LoggerMessage(7006, LogLevel.Debug, "etcd call {Operation} failed: {Reason}")]
    public static partial void CallFailed(ILogger logger, string operation, string reason);

    [LoggerMessage(7030, LogLevel.Information, "Watch of {Prefix} ended ({Reason}) at revision {Revision} and begins again: {Text}")]
    public static partial void WatchEnded(ILogger logger, string prefix, string reason, string text, long revision);

    [LoggerMessage(7031, LogLevel.Warning, "Could not list {Prefix}: {Reason}")]
    public static partial void ListFailed(ILogger logger, string prefix, string reason);

    [LoggerMessage(7032, LogLevel.Error, "A handler of changes under {Prefix} failed")]
    public static partial void HandlerFailed(ILogger logger, string prefix, Exception exception);

    [LoggerMessage(7033, LogLevel.Warning, "The heartbeat key {Key} is refused, silent watches are noticed late: {Reason}")]
    public static partial void HeartbeatRefused(ILogger logger, string key, string reason);

    [LoggerMessage(7034, LogLevel.Error, "Background work failed: {Work}")]
    public static partial void WorkFailed(ILogger logger, string work, Exception exception);

    [LoggerMessage(7035, LogLevel.Error, "etcd went back from revision {Known} to {Revision} (read under {Prefix}): if it was restored from a backup, raise its revision (etcdutl snapshot restore --bump-revision) or restart all nodes; until then changes are not seen")]
    public static partial void EtcdWentBack(ILogger logger, string prefix, long known, long revision);

    [LoggerMessage(7036, LogLevel.Debug, "Watch of {Prefix} could not be opened at revision {Revision}: {Text}")]
    public static partial void WatchUnreachable(ILogger logger, string prefix, string text, long revision);

    [LoggerMessage(7060, LogLevel.Information, "Node {Role}/{Id} is registered as incarnation {Incarnation} with lease {Lease}")]
    public static partial void Registered(ILogger logger, string role, string id, long incarnation, long lease);

    [LoggerMessage(7061, LogLevel.Warning, "Node {Role}/{Id} lost incarnation {Incarnation} ({Reason}) and registers anew")]
    public static partial void RegistrationLost(ILogger logger, string role, string id, long incarnation, string reason);

    [LoggerMessage(7062, LogLevel.Warning, "Node {Role}/{Id} could not register: {Reason}")]
    public static partial void RegistrationFailed(ILogger logger, string role, string id, string reason);

    [LoggerMessage(7063, LogLevel.Error, "Node {Role}/{Id} stays out of the cluster: {Reason}")]
    public static partial void Replaced(ILogger logger, string role, string id, string reason);

    [LoggerMessage(7064, LogLevel.Information, "Node {Role}/{Id} takes over the key of its earlier process, incarnation {Incarnation}")]
    public static partial void TakenOver(ILogger logger, string role, string id, long incarnation);

    [LoggerMessage(7065, LogLevel.Warning, "The lease {Lease} could not be kept alive, {Left} ms are left: {Reason}")]
    public static partial void KeepAliveFailed(ILogger logger, long lease, long left, string reason);

    [LoggerMessage(7070, LogLevel.Debug, "The lease {Lease} still could not be kept alive, {Left} ms are left: {Reason}")]
    public static partial void KeepAliveStillFailed(ILogger logger, long lease, long left, string reason);

    [LoggerMessage(7066, LogLevel.Warning, "Key {Key} describes no node and is left out: {Reason}")]
    public static partial void BadNode(ILogger logger, string key, string reason);

    [LoggerMessage(7067, LogLevel.Debug, "The lease {Lease} could not be revoked and ends by itself: {Reason}")]
    public static partial void RevokeFailed(ILogger logger, long lease, string reason);

    [LoggerMessage(7068, LogLevel.Error, "A handler of {Event} of the node's registration failed")]
    public static partial void RegistrationHandlerFailed(ILogger logger, string @event, Exception exception);

    [LoggerMessage(7069, LogLevel.Warning, "Node {Role}/{Id} could not change its description: {Reason}")]
    public static partial void DescribeFailed(ILogger logger, string role, string id, string reason);

    [LoggerMessage(7080, LogLevel.Information, "Election {Name}: leader with token {Token}")]
    public static partial void Elected(ILogger logger, string name, long token);

    [LoggerMessage(7081, LogLevel.Information, "Election {Name}: leadership with token {Token} ended: {Reason}")]
    public static partial void LeadershipEnded(ILogger logger, string name, long token, string reason);

    [LoggerMessage(7082, LogLevel.Debug, "Election {Name}: candidate {Token} waits for {Predecessor}")]
    public static partial void Waiting(ILogger logger, string name, long token, long predecessor);

    [LoggerMessage(7083, LogLevel.Warning, "Election {Name}: could not go on: {Reason}")]
    public static partial void CampaignFailed(ILogger logger, string name, string reason);
}
