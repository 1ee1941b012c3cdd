using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using PushSystem.Transport.Memory;

namespace PushSystem.Transport.Tests;

public sealed class TransportMetricsTests
{
    [Fact]
    public async Task Traffic_refusals_and_closes_are_counted()
    {
        await using var harness = new MemoryHarness(MemoryTurns.Manual);
        harness.Options.MaxConnections = 2;
        harness.Options.MaxOutputBytes = 100_000;
        var sums = new ConcurrentDictionary<string, long>();
        var meter = harness.Core.Metrics.Meter;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (ReferenceEquals(instrument.Meter, meter))
                    own.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.Start();

        await harness.StartAsync();
        var (first, one) = await harness.ConnectAndFindAsync();
        var (second, two) = await harness.ConnectAndFindAsync();
        await harness.ConnectAsync();
        await first.SendAsync(new byte[123]);
        second.StopReading();
        await harness.OnTurn(shard =>
        {
            shard.Send(one, new byte[45]);
            shard.Send(two, new byte[90_000]);
            shard.Send(two, new byte[100_001]);
        });
        listener.RecordObservableInstruments();
        Assert.Equal(2, sums["push_transport_connections"]);
        Assert.Equal(90_000 - 64 * 1024, sums["push_transport_output_queued_bytes"]);
        Assert.Equal(1, sums["push_transport_queues"]);
        await harness.OnTurn(shard => shard.Close(two, CloseCause.SlowConsumer));
        first.Close();
        await harness.Until(() => harness.Core.Connections == 0, "closed");

        Assert.Equal(2, sums["push_transport_accepted"]);
        Assert.Equal(1, sums["push_transport_refused connection_limit"]);
        Assert.Equal(123, sums["push_transport_received_bytes"]);
        Assert.Equal(45 + 64 * 1024, sums["push_transport_sent_bytes"]);
        Assert.Equal(1, sums["push_transport_output_waits"]);
        Assert.Equal(1, sums["push_transport_output_full connection"]);
        Assert.Equal(1, sums["push_transport_closed slow_consumer"]);
        Assert.Equal(1, sums["push_transport_closed peer_closed"]);

        void Add(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var name = tags.IsEmpty ? instrument.Name : $"{instrument.Name} {tags[0].Value}";
            sums.AddOrUpdate(name, value, (_, sum) => sum + value);
        }
    }

    [Theory]
    [InlineData(nameof(TransportOptions.Shards), 0)]
    [InlineData(nameof(TransportOptions.MaxConnections), 0)]
    [InlineData(nameof(TransportOptions.MaxOutputBytes), 4_095)]
    [InlineData(nameof(TransportOptions.MaxInputBytes), 16_383)]
    [InlineData(nameof(TransportOptions.ReceiveBufferBytes), 511)]
    [InlineData(nameof(TransportOptions.Backlog), 0)]
    public void Settings_out_of_range_are_refused_by_name(string name, int value)
    {
        using var loggers = new RecordingLoggers();
        var options = new TransportOptions();
        typeof(TransportOptions).GetProperty(name)!.SetValue(options, value);
        var exception = Assert.Throws<ArgumentException>(() => new MemoryEngine(options, loggers, TimeProvider.System));
        Assert.Contains($"Transport:{name}", exception.Message, StringComparison.Ordinal);
    }
}
