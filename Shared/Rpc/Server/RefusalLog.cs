using System.Net;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Links;

namespace PushSystem.Rpc.Server;

/// <summary>Writes refusals, at most one per five seconds, so that strangers cannot fill the log. Thread-safe.</summary>
internal sealed class RefusalLog(ILogger logger, LinkClock clock)
{
    private readonly Lock _lock = new();
    private readonly long _period = clock.Ticks(TimeSpan.FromSeconds(5));
    private long _next = long.MinValue;
    private long _suppressed;

    public void Write(EndPoint? endPoint, string reason)
    {
        long suppressed;
        lock (_lock)
        {
            if (clock.Now < _next)
            {
                _suppressed++;
                return;
            }
            _next = clock.Now + _period;
            suppressed = _suppressed;
            _suppressed = 0;
        }
        RpcLog.Refused(logger, endPoint, reason, suppressed);
    }
}
