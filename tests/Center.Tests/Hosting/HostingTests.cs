using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PushSystem.Hosting;
using PushSystem.Hosting.Health;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Hosting;

public sealed class HostingTests
{
    [Fact]
    public void A_bucket_gives_its_burst_and_then_its_rate()
    {
        var clock = new FakeClock();
        var bucket = new TokenBucket(clock);
        Assert.True(bucket.IsFull);
        for (var i = 0; i < 5; i++)
            Assert.True(bucket.TryTake(10, 5, out _));
        Assert.False(bucket.TryTake(10, 5, out var wait));
        Assert.Equal(TimeSpan.FromMilliseconds(100), wait);
        Assert.False(bucket.IsFull);
        clock.Advance(wait - TimeSpan.FromTicks(1));
        Assert.False(bucket.TryTake(10, 5, out _));
        clock.Advance(TimeSpan.FromTicks(1));
        Assert.True(bucket.TryTake(10, 5, out _));
        clock.Advance(TimeSpan.FromHours(1));
        Assert.True(bucket.IsFull);
        Assert.Equal(5, Enumerable.Range(0, 20).Count(_ => bucket.TryTake(10, 5, out var _)));
    }

    [Fact]
    public async Task A_bucket_never_gives_more_to_many_threads()
    {
        var bucket = new TokenBucket(new FakeClock());
        var taken = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Enumerable.Range(0, 1_000).Count(_ => bucket.TryTake(1, 500, out var _)))));
        Assert.Equal(500, taken.Sum());
    }

    [Fact]
    public async Task Health_tells_live_ready_and_draining()
    {
        await using var host = await CenterHost.StartAsync();
        var health = host.Services.GetRequiredService<HealthState>();
        Assert.Equal("""{"status":"live"}""", (await host.SendAsync("GET", "/health/live", key: "")).Expect(200).Body);
        Assert.Equal("""{"status":"ready"}""", (await host.SendAsync("GET", "/health/ready", key: "")).Expect(200).Body);
        string? failure = null;
        using (health.AddCheck("saver", () => failure))
        using (health.AddCheck("broken", () => failure is null ? null : throw new InvalidOperationException("oops")))
        {
            Assert.Equal("""{"status":"ready","checks":{"broken":"ok","saver":"ok"}}""", (await host.SendAsync("GET", "/health/ready", key: "")).Expect(200).Body);
            failure = "no answer for 3 s";
            Assert.Equal(
                """{"status":"not ready","checks":{"broken":"oops","saver":"no answer for 3 s"}}""", (await host.SendAsync("GET", "/health/ready", key: "")).Expect(503).Body);
            Assert.Throws<ArgumentException>(() => health.AddCheck("saver", () => null));
        }
        (await host.SendAsync("GET", "/health/ready", key: "")).Expect(200);
        health.StartDraining();
        Assert.Equal("""{"status":"draining"}""", (await host.SendAsync("GET", "/health/ready", key: "")).Expect(503).Body);
        (await host.SendAsync("GET", "/health/live", key: "")).Expect(200);
        health.Fail("the first reason");
        health.Fail("the second reason");
        Assert.Equal("""{"status":"the first reason"}""", (await host.SendAsync("GET", "/health/live", key: "")).Expect(503).Body);
    }

    [Theory]
    [InlineData("GET", "/", 404, "no-such-path")]
    [InlineData("GET", "/v1/nothing", 404, "no-such-path")]
    [InlineData("POST", "/v1/users//kick", 404, "no-such-path")]
    [InlineData("DELETE", "/v1/messages", 405, "method-not-allowed")]
    [InlineData("GET", "/v1/messages", 405, "method-not-allowed")]
    public async Task Paths_and_methods_that_are_not_there_are_problems(string method, string path, int status, string slug)
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync(method, path)).ExpectProblem(status, slug);
    }

    [Fact]
    public async Task The_metrics_of_the_center_are_told()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""")).Expect(202);
        (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x","level":"transient"}""")).Expect(200);
        (await host.SendAsync("POST", "/v1/messages", "{")).Expect(400);
        var text = (await host.SendAsync("GET", "/metrics", key: "")).Expect(200);
        Assert.Equal("text/plain", text.ContentType);
        foreach (var sample in (string[])
                 [
                     "push_center_requests_total{route=\"POST /v1/messages\",status=\"202\"} ", "push_center_requests_total{route=\"POST /v1/messages\",status=\"400\"} ",
                     "push_center_request_seconds_count{route=\"POST /v1/messages\"} ", "push_center_accepted_messages_total{level=\"durable\"} ",
                     "push_center_append_seconds_count{level=\"durable\"} ", "push_center_transient_messages_total{delivered=\"false\"} ",
                     "push_center_delivery_queue_bytes ", "push_center_tasks{state=\"queued\"} ", "push_center_tasks{state=\"running\"} ",
                 ])
            Assert.Contains(sample, text.Body, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_are_bound_and_all_violations_are_told()
    {
        Assert.Equal((5, TimeSpan.FromSeconds(2)), Read(("Number", "5"), ("Time", "00:00:02")));
        Assert.Equal((1, TimeSpan.FromSeconds(1)), Read());
        var refusal = Assert.Throws<OptionsValidationException>(() => Read(("Number", "11"), ("Time", "00:00:00")));
        Assert.Equal(2, refusal.Failures.Count());
        Assert.Contains("Sample:Number: ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Sample:Time: must be above 0", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => Read(("Numbr", "5")));
        Assert.Throws<InvalidOperationException>(() => Read(("Number", "many")));

        static (int, TimeSpan) Read(params (string Name, string Value)[] values)
        {
            var configuration = new ConfigurationBuilder().AddInMemoryCollection(
                values.Select(value => KeyValuePair.Create($"Sample:{value.Name}", (string?)value.Value))).Build();
            var options = configuration.BindValidated<SampleOptions>("Sample");
            return (options.Number, options.Time);
        }
    }

    public static TheoryData<string, CenterOptions> WrongOptions => new()
    {
        { "AdminKeyHash", new CenterOptions { AdminKeyHash = "abc" } },
        { "AdminKeyHash", new CenterOptions { AdminKeyHash = new string('g', 64) } },
        { "DefaultLevel", new CenterOptions { DefaultLevel = (Contracts.Durability)9 } },
        { "MaxBatchBodyBytes", new CenterOptions { MaxBatchBodyBytes = 1 } },
        { "BufferedBodyBytes", new CenterOptions { BufferedBodyBytes = 1 } },
        { "DeliveryQueueBytes", new CenterOptions { DeliveryQueueBytes = 1 } },
        { "RoomQueueBytes", new CenterOptions { RoomQueueBytes = 1 } },
        { "DeliveryBatch", new CenterOptions { DeliveryBatch = 0 } },
        { "FirstProgressInterval", new CenterOptions { FirstProgressInterval = TimeSpan.Zero } },
        { "FirstProgressInterval", new CenterOptions { FirstProgressInterval = TimeSpan.FromSeconds(1) } },
        { "ProgressInterval", new CenterOptions { ProgressInterval = TimeSpan.FromMinutes(2) } },
        { "RetryDelay", new CenterOptions { RetryDelay = TimeSpan.FromMinutes(2) } },
        { "MaxRetryDelay", new CenterOptions { MaxRetryDelay = TimeSpan.FromHours(1) } },
        { "RefreshInterval", new CenterOptions { RefreshInterval = TimeSpan.Zero } },
        { "MaxUnfinishedBroadcasts", new CenterOptions { MaxUnfinishedBroadcasts = 0 } },
    };

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public void Wrong_options_are_refused_by_name(string member, CenterOptions options)
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new ServiceCollection().AddCenter(options));
        Assert.Contains($"Center:{member}: ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_default_level_that_the_mailboxes_do_not_offer_is_refused_at_the_start() =>
        await Assert.ThrowsAsync<OptionsValidationException>(() => CenterHost.StartAsync(
            options => options.DefaultLevel = Contracts.Durability.Stored, host => host.Mailboxes.Levels = new HashSet<Contracts.Durability> { Contracts.Durability.Durable }));

    private sealed class SampleOptions : IValidatableObject
    {
        [Range(1, 10)]
        public int Number { get; set; } = 1;

        public TimeSpan Time { get; set; } = TimeSpan.FromSeconds(1);

        public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
        {
            if (Time <= TimeSpan.Zero)
                yield return new ValidationResult("must be above 0", [nameof(Time)]);
        }
    }
}
