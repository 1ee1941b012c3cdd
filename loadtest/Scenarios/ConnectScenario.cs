using PushSystem.Loadtest.Clients;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>
/// connect: brings the clients online, holds them with heartbeats and counts who is lost. Nothing is sent; what arrives is counted
/// by the loops and acknowledged.
/// </summary>
internal sealed class ConnectScenario(ConnectSettings settings) : IScenario, IPushSink
{
    public string Name => "connect";

    public IPushSink Sink => this;

    public int ApiConnections => 1;

    public async Task RunAsync(ScenarioContext context, CancellationToken cancellationToken)
    {
        context.Phase = "holding";
        await Task.Delay(settings.Hold, context.Time, cancellationToken);
        var lost = context.Fleet.Sum(stats => Volatile.Read(ref stats.Disconnects));
        context.Report.Add("hold_seconds", settings.Hold.TotalSeconds);
        context.Report.Add("online_at_end", context.Fleet.Sum(stats => Volatile.Read(ref stats.Online)));
        if (lost > 0)
            context.Report.Fail($"{lost} connections were lost while they were held");
    }

    public void Judge(ScenarioContext context)
    {
    }

    public IEnumerable<(string Name, string Value)> Live(double secondsSinceLast) => [];

    public void Received(int loop, VirtualClient client, in PushMessage push, long now)
    {
    }

    public void Reset(int loop, VirtualClient client, in ResetMessage reset, long skipped)
    {
    }
}
