using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>What can be read of links from outside.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task Calls_links_and_latencies_are_counted_on_both_sides()
    {
        var gate = new TaskCompletionSource<Echo>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await NodePair.StartAsync(methods =>
        {
            methods.Add(TestMethods.Wait, async (_, _) => await gate.Task);
            methods.Add(TestMethods.Fail, static (_, _) => throw new RpcException(RpcStatus.Fenced, "not mine"));
        });
        using var client = new Readings(pair.Links.Metrics.Meter);
        using var server = new Readings(pair.Server.Metrics.Meter);
        for (var i = 0; i < 5; i++)
            await pair.EchoAsync(new Echo());
        await Assert.ThrowsAsync<RpcException>(async () => await pair.Caller.CallAsync(TestMethods.Fail, new Echo(), NodePair.Long, CancellationToken.None));
        await Assert.ThrowsAsync<RpcException>(async () => await pair.Caller.CallAsync(TestMethods.Absent, new Echo(), NodePair.Long, CancellationToken.None));
        var waiting = pair.Caller.CallAsync(TestMethods.Wait, new Echo(), NodePair.Long, CancellationToken.None).AsTask();
        await pair.EchoAsync(new Echo());

        foreach (var (readings, side) in new[] { (client, "client"), (server, "server") })
        {
            readings.Observe();
            Assert.Equal(6, readings.Value($"push_rpc_calls side={side} method=Test.Echo status=ok"));
            Assert.Equal(1, readings.Value($"push_rpc_calls side={side} method=Test.Fail status=fenced"));
            Assert.Equal(1, readings.Value($"push_rpc_links side={side}"));
            Assert.Equal(1, readings.Value($"push_rpc_in_flight side={side}"));
            Assert.Equal(6, readings.Value($"push_rpc_call_seconds method=Test.Echo side={side}"));
            Assert.True(readings.Value($"push_rpc_received_bytes side={side}") >= 8 * 16);
            Assert.True(readings.Value($"push_rpc_sent_bytes side={side}") >= 8 * 16);
            Assert.Equal(1, readings.Value($"push_rpc_links_opened side={side}"));
        }
        Assert.Equal(1, client.Value("push_rpc_calls side=client method=Test.Absent status=unknown_method"));
        Assert.Equal(1, server.Value("push_rpc_calls side=server method=unknown status=unknown_method"));
        gate.SetResult(new Echo());
        await Waiting.For(waiting, "the waiting call");
        client.Observe();
        Assert.Equal(0, client.Value("push_rpc_in_flight side=client"));
    }

    [Fact]
    public async Task Refused_and_lost_links_are_counted_by_reason()
    {
        await using var pair = await NodePair.StartAsync();
        using var server = new Readings(pair.Server.Metrics.Meter);
        using (var peer = await ScriptedPeer.ConnectAsync(pair.Server.EndPoint.Port))
        {
            await peer.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            await peer.ExpectEndAsync("the refusal");
        }
        await Waiting.Until(() => server.Value("push_rpc_links_refused reason=protocol") == 1, "the refusal is counted");
        using (await ScriptedPeer.JoinAsync(pair))
        {
        }
        await Waiting.Until(
            () => server.Value("push_rpc_links_ended side=server cause=by_peer") + server.Value("push_rpc_links_ended side=server cause=broken") == 1, "the end is counted");
    }

    /// <summary>The sums of one meter's instruments by name and tags; histograms count.</summary>
    private sealed class Readings : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentDictionary<string, double> _values = new();

        public Readings(Meter meter)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Record(instrument, 1, tags));
            _listener.Start();
        }

        public double Value(string name) => _values.GetValueOrDefault(name);

        public void Observe() => _listener.RecordObservableInstruments();

        public void Dispose() => _listener.Dispose();

        private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var name = instrument.Name;
            foreach (var (key, tag) in tags)
                name += $" {key}={tag}";
            _values.AddOrUpdate(name, value, (_, before) => instrument.IsObservable ? value : before + value);
        }
    }
}
