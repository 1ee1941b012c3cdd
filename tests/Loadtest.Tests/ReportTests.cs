using System.Text.Json;
using PushSystem.Loadtest.Reports;
using Xunit;

namespace PushSystem.Loadtest.Tests;

public sealed class ReportTests
{
    [Fact]
    public void The_json_has_scenario_ok_flat_numbers_and_errors()
    {
        var report = new RunReport("unicast");
        report.Add("sent", 12);
        report.Add("odd", double.NaN);
        var latency = new LatencyHistogram();
        latency.Record(1_500);
        report.Add("latency", latency);
        report.Notes["GOAWAY Draining"] = 2;
        using (var json = JsonDocument.Parse(report.ToJson()))
        {
            Assert.Equal(["scenario", "ok", "metrics", "errors", "notes"], json.RootElement.EnumerateObject().Select(member => member.Name));
            Assert.Equal("unicast", json.RootElement.GetProperty("scenario").GetString());
            Assert.True(json.RootElement.GetProperty("ok").GetBoolean());
            Assert.All(json.RootElement.GetProperty("metrics").EnumerateObject(), metric => Assert.Equal(JsonValueKind.Number, metric.Value.ValueKind));
            Assert.Equal(12, json.RootElement.GetProperty("metrics").GetProperty("sent").GetDouble());
            Assert.Equal(0, json.RootElement.GetProperty("metrics").GetProperty("odd").GetDouble());
            Assert.Equal(1.5, json.RootElement.GetProperty("metrics").GetProperty("latency_ms_p99").GetDouble());
            Assert.Empty(json.RootElement.GetProperty("errors").EnumerateArray());
        }
        report.Fail("2 accepted messages did not arrive");
        using var failed = JsonDocument.Parse(report.ToJson());
        Assert.False(failed.RootElement.GetProperty("ok").GetBoolean());
        Assert.Equal("2 accepted messages did not arrive", Assert.Single(failed.RootElement.GetProperty("errors").EnumerateArray()).GetString());
    }

    [Theory]
    [InlineData("dotnet_process_memory_working_set_bytes 1024\n", 1024)]
    [InlineData("# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes{node=\"a\"} 10 1712\nprocess_resident_memory_bytes{node=\"b\"} 5\n", 15)]
    [InlineData("process_resident_memory_bytes_total 7\n", 0)]
    [InlineData("", 0)]
    public void Memory_is_found_in_prometheus_text(string text, long bytes) => Assert.Equal(bytes, ServerProbe.FromMetrics(text));
}
