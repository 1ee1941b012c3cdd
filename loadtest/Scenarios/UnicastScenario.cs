using PushSystem.Loadtest.Checks;
using PushSystem.Loadtest.Clients;
using PushSystem.Loadtest.Reports;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>unicast: messages to single users over the API, timed from the intended send to the client, then checked.</summary>
internal sealed class UnicastScenario : IScenario
{
    private readonly CommonSettings _common;
    private readonly UnicastSettings _settings;
    private readonly DeliveryChecker _checker;
    private readonly DeliverySink _sink;
    private readonly TimeProvider _time;
    private UnicastSender[] _senders = [];
    private long _liveAccepted, _liveReceived;

    public UnicastScenario(CommonSettings common, UnicastSettings settings, uint run, TimeProvider time)
    {
        (_common, _settings, _time) = (common, settings, time);
        _checker = new DeliveryChecker(run, PayloadStamp.HashOf(common.Target.App), common.Clients, broadcast: false, settings.Guaranteed);
        _sink = new DeliverySink(_checker, Math.Min(common.Loops, common.Clients), time);
    }

    public string Name => "unicast";

    public IPushSink Sink => _sink;

    public int ApiConnections => _settings.Concurrency;

    public async Task RunAsync(ScenarioContext context, CancellationToken cancellationToken)
    {
        var count = Math.Min(_settings.Concurrency, _common.Clients);
        _senders = [.. Enumerable.Range(0, count).Select(i => new UnicastSender(i, count, _common, _settings, _checker, context.Api, _time))];
        context.Phase = "sending";
        var started = _time.GetTimestamp();
        var until = _settings.Count > 0 ? long.MaxValue : started + (long)(_settings.Duration.TotalSeconds * _time.TimestampFrequency);
        await Task.WhenAll(_senders.Select(sender => Task.Run(() => sender.RunAsync(started, until, cancellationToken), cancellationToken)));
        var sendSeconds = _time.GetElapsedTime(started).TotalSeconds;

        context.Phase = "draining";
        var drained = _time.GetTimestamp();
        while (Waiting() > 0 && _time.GetElapsedTime(drained) < _common.Drain)
            await Task.Delay(TimeSpan.FromMilliseconds(20), _time, cancellationToken);
        var allSeconds = _time.GetElapsedTime(started).TotalSeconds;

        var report = context.Report;
        report.Add("requests", Sum(stats => stats.Requests));
        report.Add("sent", Sum(stats => stats.Sent));
        report.Add("accepted", Sum(stats => stats.Accepted));
        report.Add("refused", Sum(stats => stats.Refused));
        report.Add("unknown", Sum(stats => stats.Unknown));
        if (!_settings.Guaranteed)
            report.Add("delivered_online", Sum(stats => stats.Delivered));
        report.Add("send_seconds", Math.Round(sendSeconds, 3));
        report.Add("drain_seconds", Math.Round(allSeconds - sendSeconds, 3));
        report.Add("accepted_per_second", Math.Round(Sum(stats => stats.Accepted) / sendSeconds, 1));
        report.Add("received_per_second", Math.Round(_sink.Received / allSeconds, 1));
        report.Add("latency", _sink.Latency());
        var api = new LatencyHistogram();
        foreach (var sender in _senders)
        {
            api.Add(sender.Stats.ApiLatency);
            foreach (var (text, times) in sender.Stats.Errors)
                report.Notes[text] = report.Notes.GetValueOrDefault(text) + times;
        }
        report.Add("api", api);
    }

    public void Judge(ScenarioContext context)
    {
        if (_senders.Length > 0)
            CheckReport.Add(context.Report, _checker.Judge(_sink.Counts, context.Fleet.Sum(stats => stats.Gaps)));
    }

    public IEnumerable<(string Name, string Value)> Live(double secondsSinceLast)
    {
        var (accepted, received) = (Sum(stats => Volatile.Read(ref stats.Accepted)), _sink.Received);
        var rates = ((accepted - _liveAccepted) / secondsSinceLast, (received - _liveReceived) / secondsSinceLast);
        (_liveAccepted, _liveReceived) = (accepted, received);
        return
        [
            ("sent", ScenarioRunner.Number(Sum(stats => Volatile.Read(ref stats.Sent)))),
            ("accepted", ScenarioRunner.Number(accepted)),
            ("accepted/s", ScenarioRunner.Number(rates.Item1)),
            ("received", ScenarioRunner.Number(received)),
            ("received/s", ScenarioRunner.Number(rates.Item2)),
            ("p99 ms", ReportWriter.Format(_sink.Latency().Percentile(99) / 1_000.0)),
        ];
    }

    private long Waiting() => _settings.Guaranteed ? _checker.Missing() : Math.Max(0, Sum(stats => stats.Delivered) - _sink.Received);

    private long Sum(Func<SenderStats, long> count) => _senders.Sum(sender => count(sender.Stats));
}
