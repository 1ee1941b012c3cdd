using PushSystem.Loadtest.Api;
using PushSystem.Loadtest.Checks;
using PushSystem.Loadtest.Clients;
using PushSystem.Loadtest.Reports;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>broadcast: messages to everyone, timed to the last client, then checked: each client gets each one once, in order.</summary>
internal sealed class BroadcastScenario : IScenario
{
    private readonly CommonSettings _common;
    private readonly BroadcastSettings _settings;
    private readonly DeliveryChecker _checker;
    private readonly DeliverySink _sink;
    private readonly TimeProvider _time;
    private readonly SenderStats _stats = new();
    private readonly long[] _intended;
    private long _liveReceived;

    public BroadcastScenario(CommonSettings common, BroadcastSettings settings, uint run, TimeProvider time)
    {
        (_common, _settings, _time) = (common, settings, time);
        _checker = new DeliveryChecker(run, PayloadStamp.HashOf(common.Target.App), common.Clients, broadcast: true, guaranteed: true);
        _sink = new DeliverySink(_checker, Math.Min(common.Loops, common.Clients), time, settings.Count);
        _intended = new long[settings.Count];
    }

    public string Name => "broadcast";

    public IPushSink Sink => _sink;

    public int ApiConnections => 1;

    public async Task RunAsync(ScenarioContext context, CancellationToken cancellationToken)
    {
        context.Phase = "sending";
        var started = _time.GetTimestamp();
        await SendAllAsync(context.Api, started, cancellationToken);
        context.Phase = "draining";
        var drained = _time.GetTimestamp();
        while (_checker.Missing() > 0 && _time.GetElapsedTime(drained) < _common.Drain)
            await Task.Delay(TimeSpan.FromMilliseconds(10), _time, cancellationToken);
        Report(context.Report);
    }

    public void Judge(ScenarioContext context)
    {
        if (_stats.Sent > 0)
            CheckReport.Add(context.Report, _checker.Judge(_sink.Counts, context.Fleet.Sum(stats => stats.Gaps)));
    }

    public IEnumerable<(string Name, string Value)> Live(double secondsSinceLast)
    {
        var received = _sink.Received;
        var rate = (received - _liveReceived) / secondsSinceLast;
        _liveReceived = received;
        return
        [
            ("broadcasts", ScenarioRunner.Number(Volatile.Read(ref _stats.Accepted))),
            ("received", ScenarioRunner.Number(received)),
            ("received/s", ScenarioRunner.Number(rate)),
            ("p99 ms", ReportWriter.Format(_sink.Latency().Percentile(99) / 1_000.0)),
        ];
    }

    private async Task SendAllAsync(PushApi api, long started, CancellationToken cancellationToken)
    {
        var body = new MessageBody("", 0, "durable", _settings.Size, 1);
        var answer = new byte[16 * 1_024];
        for (var number = 1; number <= _settings.Count; number++)
        {
            if (_settings.Rate > 0)
            {
                var due = started + (long)((number - 1) / _settings.Rate * _time.TimestampFrequency);
                var wait = _time.GetElapsedTime(_time.GetTimestamp(), due);
                if (wait > TimeSpan.Zero)
                    await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(wait.TotalMilliseconds)), _time, cancellationToken);
                _intended[number - 1] = due;
            }
            else
            {
                await ArrivedAsync(number - 1, cancellationToken);
                _intended[number - 1] = _time.GetTimestamp();
            }
            _checker.Sending(0, number);
            _stats.Sent++;
            var reply = await api.PostAsync("/v1/broadcasts",
                body.Broadcast(_checker.Stamp(0, number, _intended[number - 1]), _settings.PersonsPerSecond), answer, cancellationToken);
            _stats.ApiLatency.Record((long)_time.GetElapsedTime(_intended[number - 1], _time.GetTimestamp()).TotalMicroseconds);
            Note(number, reply);
        }
    }

    private void Note(int number, in ApiReply reply)
    {
        if (reply.Succeeded)
        {
            _checker[0].Accepted.Add(number);
            _stats.Accepted++;
            return;
        }
        _stats.Count(reply.Error);
        if (reply.Refused)
        {
            _stats.Refused++;
            return;
        }
        _checker[0].Unknown.Add(number);
        _stats.Unknown++;
    }

    /// <summary>Waits until a broadcast is everywhere, at most the drain time.</summary>
    private async Task ArrivedAsync(int number, CancellationToken cancellationToken)
    {
        if (number == 0 || !_checker[0].Accepted.Contains(number))
            return;
        var started = _time.GetTimestamp();
        while (_sink.Arrivals(number).Arrived < _common.Clients && _time.GetElapsedTime(started) < _common.Drain)
            await Task.Delay(TimeSpan.FromMilliseconds(1), _time, cancellationToken);
    }

    private void Report(RunReport report)
    {
        report.Add("broadcasts", _stats.Sent);
        report.Add("accepted", _stats.Accepted);
        report.Add("refused", _stats.Refused);
        report.Add("unknown", _stats.Unknown);
        foreach (var (text, times) in _stats.Errors)
            report.Notes[text] = times;
        var toLast = new LatencyHistogram();
        double best = 0;
        for (var number = 1; number <= _settings.Count; number++)
        {
            var (arrived, last) = _sink.Arrivals(number);
            if (arrived < _common.Clients)
                continue;
            var time = _time.GetElapsedTime(_intended[number - 1], last);
            toLast.Record((long)time.TotalMicroseconds);
            best = Math.Max(best, arrived / Math.Max(time.TotalSeconds, 1e-6));
        }
        report.Add("complete", toLast.Count);
        report.Add("time_to_last", toLast);
        report.Add("deliveries_per_second_median", toLast.Count == 0 ? 0 : Math.Round(_common.Clients * 1_000_000.0 / Math.Max(1, toLast.Percentile(50))));
        report.Add("deliveries_per_second_best", Math.Round(best));
        report.Add("latency", _sink.Latency());
        report.Add("api", _stats.ApiLatency);
    }
}
