using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster;

/// <summary>Log messages of configuration and apps, ids 7100 to 7149.</summary>
internal static partial class ClusterLog
{
    [LoggerMessage(7100, LogLevel.Information, "Configuration of revision {Revision} is in force: {Changes} settings changed")]
    public static partial void ConfigurationTaken(ILogger logger, long revision, int changes);

    [LoggerMessage(7101, LogLevel.Error, "Configuration of revision {Revision} is rejected, revision {Kept} stays in force: {Reason}")]
    public static partial void ConfigurationRejected(ILogger logger, long revision, long kept, string reason);

    [LoggerMessage(7102, LogLevel.Warning, "etcd does not answer: started with the configuration of revision {Revision} from {Path}")]
    public static partial void ConfigurationFromDisk(ILogger logger, long revision, string path);

    [LoggerMessage(7103, LogLevel.Warning, "etcd does not answer and there is no earlier configuration in {Path}{Problem}; waiting for etcd")]
    public static partial void WaitingForConfiguration(ILogger logger, string path, string problem);

    [LoggerMessage(7104, LogLevel.Information, "etcd holds no configuration: defaults are in force")]
    public static partial void ConfigurationAbsent(ILogger logger);

    [LoggerMessage(7105, LogLevel.Warning, "{Path} could not be written ({Reason}); a start without etcd would find an older state")]
    public static partial void LastGoodNotWritten(ILogger logger, string path, string reason);

    [LoggerMessage(7106, LogLevel.Warning, "{Path} is not used: {Reason}")]
    public static partial void LastGoodUnusable(ILogger logger, string path, string reason);

    [LoggerMessage(7107, LogLevel.Error, "A handler of changes failed")]
    public static partial void ChangeHandlerFailed(ILogger logger, Exception exception);

    [LoggerMessage(7108, LogLevel.Warning, "Settings changed that hold only after a restart of this process: {Settings}")]
    public static partial void RestartNeeded(ILogger logger, string settings);

    [LoggerMessage(7109, LogLevel.Warning, "etcd does not answer: started with the layout from {Path}")]
    public static partial void LayoutFromDisk(ILogger logger, string path);

    [LoggerMessage(7110, LogLevel.Warning, "The cluster's layout is not known yet, asking etcd again: {Reason}")]
    public static partial void WaitingForLayout(ILogger logger, string reason);

    [LoggerMessage(7120, LogLevel.Error, "App '{App}' of revision {Revision} cannot be read and is left out: {Reason}")]
    public static partial void AppUnreadable(ILogger logger, string app, long revision, string reason);

    [LoggerMessage(7121, LogLevel.Warning, "etcd does not answer: started with {Count} apps of revision {Revision} from {Path}")]
    public static partial void AppsFromDisk(ILogger logger, int count, long revision, string path);

    [LoggerMessage(7122, LogLevel.Warning, "etcd does not answer and there are no earlier apps in {Path}{Problem}; waiting for etcd")]
    public static partial void WaitingForApps(ILogger logger, string path, string problem);

    [LoggerMessage(7123, LogLevel.Error, "An API key is held by the apps '{First}' and '{Second}'; it counts for the first")]
    public static partial void ApiKeyHeldTwice(ILogger logger, string first, string second);
}
