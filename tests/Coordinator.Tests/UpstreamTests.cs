using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using PushSystem.Contracts;
using PushSystem.Coordinator.Tests.Fakes;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Coordinator.Tests;

public sealed class UpstreamTests : IDisposable
{
    private readonly Rig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task A_message_reaches_the_webhook_with_its_fields_and_is_removed_from_the_queue()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url + "/hook");
        await using var coordinator = await _rig.StartAsync();
        var reply = await coordinator.SubmitAsync(_rig.Message("ann", 7, "héllo"), CancellationToken.None);
        Assert.Equal(new UpstreamReply(ReasonCode.Ok, 0), reply);
        await Waiting.Until(() => _rig.Events.Count == 0, "the event leaves the queue");

        var request = Assert.Single(receiver.Requests);
        Assert.Equal("/hook", request.Path);
        Assert.Equal("application/json", request.ContentType);
        Assert.Equal(
            """{"type":"upstream","timestamp":"2026-01-01T12:00:00.000Z","data":{"app":"shop","user":"ann","device":"device-1","messageId":7,"messageType":"chat","text":"héllo","receivedAt":"2026-01-01T12:00:00.000Z"}}""",
            Encoding.UTF8.GetString(request.Body));
    }

    [Fact]
    public async Task Every_delivery_is_signed_with_both_secrets_over_id_time_and_body()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await Waiting.Until(() => !receiver.Requests.IsEmpty, "the delivery");
        receiver.Requests.TryPeek(out var request);

        // Written out from the specification, not with the code under test.
        var signed = Encoding.UTF8.GetBytes($"{request!.Id}.{request.Timestamp}.{Encoding.UTF8.GetString(request.Body)}");
        var expected = $"v1,{Convert.ToBase64String(HMACSHA256.HashData(Rig.Secret, signed))} v1,{Convert.ToBase64String(HMACSHA256.HashData(Rig.OldSecret, signed))}";
        Assert.Equal(expected, request.Signature);
        Assert.Equal(_rig.Clock.GetUtcNow().ToUnixTimeSeconds(), request.Timestamp);
        signed[^1] ^= 1;
        Assert.DoesNotContain(Convert.ToBase64String(HMACSHA256.HashData(Rig.Secret, signed)), request.Signature);
    }

    [Theory]
    [InlineData(PayloadKind.Json, """{"a":[1,2]}""", "json", """{"a":[1,2]}""")]
    [InlineData(PayloadKind.Json, "{not json", "base64", "\"e25vdCBqc29u\"")]
    [InlineData(PayloadKind.Binary, "abc", "base64", "\"YWJj\"")]
    [InlineData(PayloadKind.Text, "a\"b", "text", "\"a\\\"b\"")]
    public async Task A_payload_comes_as_its_kind_or_as_base64_when_it_is_not_what_it_says(PayloadKind kind, string payload, string member, string json)
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1, payload, kind: kind), CancellationToken.None);
        await Waiting.Until(() => !receiver.Requests.IsEmpty, "the delivery");
        receiver.Requests.TryPeek(out var request);
        Assert.Equal(json, request!.Json.GetProperty("data").GetProperty(member).GetRawText());
    }

    [Fact]
    public async Task Text_that_is_not_utf8_comes_as_base64()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1) with { Payload = new byte[] { 0xFF, 0xFE } }, CancellationToken.None);
        await Waiting.Until(() => !receiver.Requests.IsEmpty, "the delivery");
        receiver.Requests.TryPeek(out var request);
        Assert.Equal("//4=", request!.Json.GetProperty("data").GetProperty("base64").GetString());
    }

    [Fact]
    public async Task Types_with_their_own_url_go_there_and_presence_never_does()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url + "/all", presence: true, types: [("order", receiver.Url + "/orders"), ("presence.online", receiver.Url + "/trap")]);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.SubmitAsync(_rig.Message("ann", 1, type: "order"), CancellationToken.None);
        await coordinator.SubmitAsync(_rig.Message("bob", 2, type: "other"), CancellationToken.None);
        await coordinator.NotifyAsync([_rig.Change("cat", true, 1)], CancellationToken.None);
        await Waiting.Until(() => receiver.Requests.Count == 3, "three deliveries");
        Assert.Equal(["/orders ann", "/all bob", "/all cat"], receiver.Requests.OrderBy(r => r.User).Select(r => $"{r.Path} {r.User}"));
    }

    [Fact]
    public async Task The_same_message_id_again_is_ok_without_a_second_delivery()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url);
        await using var coordinator = await _rig.StartAsync();
        for (var i = 0; i < 3; i++)
            Assert.Equal(ReasonCode.Ok, (await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None)).Code);
        Assert.Equal(ReasonCode.Ok, (await coordinator.SubmitAsync(_rig.Message("ann", 2), CancellationToken.None)).Code);
        await Waiting.Until(() => _rig.Events.Count == 0, "the queue is empty");
        Assert.Equal(["ann:1", "ann:2"], receiver.Requests.Select(request => request.Name));
    }

    [Fact]
    public async Task Refusals_name_their_reason_and_store_nothing()
    {
        _rig.Add("full", "http://127.0.0.1:9/");
        _rig.Add("small", "http://127.0.0.1:9/", limits: new AppLimits { PayloadBytes = 3 });
        _rig.Apps.Set(new AppRecord { Id = "mute" });
        _rig.Add("off", "http://127.0.0.1:9/");
        _rig.Apps.Set(_rig.Apps.Find("off")! with { Enabled = false });
        await using var coordinator = _rig.New();

        async Task<UpstreamReply> Submit(string app, string text = "hi") =>
            await coordinator.SubmitAsync(_rig.Message("ann", 1, text, app), CancellationToken.None);

        Assert.Equal(new UpstreamReply(ReasonCode.NoReceiver, 0), await Submit("nobody"));
        Assert.Equal(new UpstreamReply(ReasonCode.NoReceiver, 0), await Submit("mute"));
        Assert.Equal(new UpstreamReply(ReasonCode.NoReceiver, 0), await Submit("off"));
        Assert.Equal(new UpstreamReply(ReasonCode.PayloadTooLarge, 0), await Submit("small", "four"));
        _rig.Events.Capacity = 0;
        Assert.Equal(new UpstreamReply(ReasonCode.QueueFull, 5_000), await Submit("full"));
        _rig.Events.Away = true;
        Assert.Equal(new UpstreamReply(ReasonCode.NotStored, 2_000), await Submit("full"));
        Assert.Equal(0, _rig.Events.Count);
    }

    [Fact]
    public void Options_out_of_range_are_refused_by_name()
    {
        var error = Assert.Throws<ArgumentException>(() => new CoordinatorOptions { InFlightPerApp = 0 }.Validate());
        Assert.Contains("Coordinator:InFlightPerApp is out of range: 1 to 1024", error.Message);
        Assert.Throws<ArgumentException>(() => new CoordinatorOptions { RetryCap = TimeSpan.FromMilliseconds(5) }.Validate());
        new CoordinatorOptions().Validate();
    }
}
