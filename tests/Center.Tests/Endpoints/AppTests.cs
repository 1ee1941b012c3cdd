using System.Buffers.Text;
using System.Text.Json.Nodes;
using PushSystem.Center.Auth;
using PushSystem.Contracts;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class AppTests
{
    [Fact]
    public async Task A_new_app_works_with_the_key_that_it_was_given()
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync("POST", "/v1/apps",
            """{"id":"new.app-1_x","name":"New äpp","webhook":{"url":"https://shop.example/push?x=1","typeUrls":{"order":"http://localhost:99/"},"presence":true},"limits":{"mailboxMessages":5,"mailboxAgeSeconds":60,"requestsPerSecond":7}}""",
            host.AdminKey)).Expect(201);
        Assert.Matches("^pk_new.app-1_x_[A-Za-z0-9_-]{43}$", answer.Text("apiKey"));
        var app = host.Apps.Find("new.app-1_x")!;
        Assert.Equal("New äpp", app.Name);
        Assert.True(app.Enabled);
        Assert.Equal(CenterHost.StartMilliseconds, app.CreatedAt);
        Assert.Equal((5, TimeSpan.FromSeconds(60), 7, 65_536), (app.Limits.MailboxMessages, app.Limits.MailboxAge, app.Limits.RequestsPerSecond, app.Limits.PayloadBytes));
        Assert.Equal(("https://shop.example/push?x=1", true), (app.Webhook!.Url, app.Webhook.Presence));
        Assert.Equal("http://localhost:99/", app.Webhook.TypeUrls["order"]);
        Assert.Equal(answer.Text("webhookSecret"), AppKeys.WebhookSecretText(Assert.Single(app.Webhook.Secrets)));
        var ticketKey = Assert.Single(app.TicketKeys);
        Assert.Equal(ticketKey.Id, (uint)answer.Json["ticketKey"]!["id"]!);
        Assert.Equal(ticketKey.Secret.ToArray(), Base64Url.DecodeFromChars((string)answer.Json["ticketKey"]!["secret"]!));
        (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""", answer.Text("apiKey"))).Expect(202);
        Assert.Single(host.Mailboxes.Of("new.app-1_x", "a"));
    }

    [Fact]
    public async Task A_new_app_without_settings_has_the_defaults_and_no_webhook()
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync("POST", "/v1/apps", """{"id":"new"}""", host.AdminKey)).Expect(201);
        Assert.Null(answer.Json["webhookSecret"]);
        Assert.Null(answer.Json["webhook"]);
        Assert.Equal(new AppLimits(), host.Apps.Find("new")!.Limits);
        (await host.SendAsync("POST", "/v1/apps", """{"id":"new"}""", host.AdminKey)).ExpectProblem(409, "app-exists", "id");
    }

    [Fact]
    public async Task Apps_are_listed_and_shown_without_secrets()
    {
        await using var host = await CenterHost.StartAsync();
        var list = (await host.SendAsync("GET", "/v1/apps", key: host.AdminKey)).Expect(200);
        Assert.Equal(["other", "shop"], list.Json["apps"]!.AsArray().Select(app => (string)app!["id"]!));
        var one = (await host.SendAsync("GET", "/v1/apps/shop", key: host.AdminKey)).Expect(200);
        Assert.Equal(list.Json["apps"]![1]!.ToJsonString(), one.Json.ToJsonString());
        Assert.Equal(1_000, (int)one.Json["limits"]!["mailboxMessages"]!);
        Assert.Null(one.Json["apiKey"]);
        (await host.SendAsync("GET", "/v1/apps/none", key: host.AdminKey)).ExpectProblem(404, "no-such-app");
    }

    [Fact]
    public async Task A_change_keeps_what_it_does_not_name()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("PATCH", "/v1/apps/shop", """{"name":"A","limits":{"eventCount":9}}""", host.AdminKey)).Expect(200);
        var answer = (await host.SendAsync("PATCH", "/v1/apps/shop", """{"limits":{"eventBytes":2000}}""", host.AdminKey)).Expect(200);
        Assert.Equal("A", answer.Text("name"));
        Assert.Equal((9, 2_000), ((int)answer.Json["limits"]!["eventCount"]!, (int)answer.Json["limits"]!["eventBytes"]!));
        (await host.SendAsync("PATCH", "/v1/apps/shop", "{}", host.AdminKey)).Expect(200);
        Assert.Equal("A", host.Apps.Find("shop")!.Name);
        (await host.SendAsync("PATCH", "/v1/apps/none", "{}", host.AdminKey)).ExpectProblem(404, "no-such-app");
    }

    [Fact]
    public async Task A_webhooks_secret_is_shown_once_and_outlives_changes_of_its_url()
    {
        await using var host = await CenterHost.StartAsync();
        var first = (await host.SendAsync("PATCH", "/v1/apps/shop", """{"webhook":{"url":"http://a.example/"}}""", host.AdminKey)).Expect(200);
        Assert.NotNull(first.Text("webhookSecret"));
        var second = (await host.SendAsync("PATCH", "/v1/apps/shop", """{"webhook":{"url":"http://b.example/","presence":true}}""", host.AdminKey)).Expect(200);
        Assert.Null(second.Json["webhookSecret"]);
        Assert.Equal(first.Text("webhookSecret"), AppKeys.WebhookSecretText(host.Apps.Find("shop")!.Webhook!.Secrets.Single()));
        var third = (await host.SendAsync("PATCH", "/v1/apps/shop", """{"webhook":null}""", host.AdminKey)).Expect(200);
        Assert.Null(third.Json["webhook"]);
        var fourth = (await host.SendAsync("PATCH", "/v1/apps/shop", """{"webhook":{"url":"http://a.example/"}}""", host.AdminKey)).Expect(200);
        Assert.NotEqual(first.Text("webhookSecret"), fourth.Text("webhookSecret"));
    }

    [Fact]
    public async Task A_webhook_signs_with_its_two_newest_secrets()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/apps/shop/webhook-secrets", null, host.AdminKey)).ExpectProblem(409, "no-webhook");
        var secrets = new List<string>
        {
            (await host.SendAsync("PATCH", "/v1/apps/shop", """{"webhook":{"url":"http://a.example/"}}""", host.AdminKey)).Text("webhookSecret")!,
        };
        for (var i = 0; i < 2; i++)
            secrets.Add((await host.SendAsync("POST", "/v1/apps/shop/webhook-secrets", null, host.AdminKey)).Expect(201).Text("webhookSecret")!);
        Assert.Equal([secrets[2], secrets[1]], host.Apps.Find("shop")!.Webhook!.Secrets.Select(AppKeys.WebhookSecretText));
    }

    [Fact]
    public async Task A_disabled_app_can_be_enabled_again()
    {
        await using var host = await CenterHost.StartAsync();
        Assert.False((bool)(await host.SendAsync("DELETE", "/v1/apps/shop", null, host.AdminKey)).Expect(200).Json["enabled"]!);
        (await host.SendAsync("GET", "/v1/app")).ExpectProblem(403, "app-disabled");
        (await host.SendAsync("PATCH", "/v1/apps/shop", """{"enabled":true}""", host.AdminKey)).Expect(200);
        (await host.SendAsync("GET", "/v1/app")).Expect(200);
        (await host.SendAsync("DELETE", "/v1/apps/none", null, host.AdminKey)).ExpectProblem(404, "no-such-app");
    }

    [Fact]
    public async Task API_keys_are_added_and_removed()
    {
        await using var host = await CenterHost.StartAsync();
        var added = (await host.SendAsync("POST", "/v1/apps/shop/api-keys", null, host.AdminKey)).Expect(201);
        (await host.SendAsync("GET", "/v1/app", key: added.Text("apiKey"))).Expect(200);
        var path = $"/v1/apps/shop/api-keys/{added.Text("id")}";
        Assert.Equal("", (await host.SendAsync("DELETE", path, null, host.AdminKey)).Expect(204).Body);
        (await host.SendAsync("GET", "/v1/app", key: added.Text("apiKey"))).ExpectProblem(401, "unauthorized");
        (await host.SendAsync("GET", "/v1/app")).Expect(200);
        (await host.SendAsync("DELETE", path, null, host.AdminKey)).ExpectProblem(404, "no-such-key");
        (await host.SendAsync("POST", "/v1/apps/none/api-keys", null, host.AdminKey)).ExpectProblem(404, "no-such-app");
    }

    [Fact]
    public async Task An_app_has_at_most_16_API_keys()
    {
        await using var host = await CenterHost.StartAsync();
        for (var i = 1; i < 16; i++)
            (await host.SendAsync("POST", "/v1/apps/shop/api-keys", null, host.AdminKey)).Expect(201);
        Assert.Equal("at most 16", (await host.SendAsync("POST", "/v1/apps/shop/api-keys", null, host.AdminKey)).ExpectProblem(409, "too-many-keys").Text("limit"));
        Assert.Equal(16, host.Apps.Find("shop")!.ApiKeys.Count);
    }

    [Fact]
    public async Task An_app_has_at_most_two_ticket_keys()
    {
        await using var host = await CenterHost.StartAsync();
        var old = host.Apps.Find("shop")!.TicketKeys.Single();
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var added = (await host.SendAsync("POST", "/v1/apps/shop/ticket-keys", null, host.AdminKey)).Expect(201);
        (await host.SendAsync("POST", "/v1/apps/shop/ticket-keys", null, host.AdminKey)).ExpectProblem(409, "too-many-keys");
        (await host.SendAsync("DELETE", $"/v1/apps/shop/ticket-keys/{old.Id}", null, host.AdminKey)).Expect(204);
        Assert.Equal((uint)added.Json["id"]!, host.Apps.Find("shop")!.TicketKeys.Single().Id);
        (await host.SendAsync("DELETE", $"/v1/apps/shop/ticket-keys/{old.Id}", null, host.AdminKey)).ExpectProblem(404, "no-such-key");
        (await host.SendAsync("DELETE", "/v1/apps/shop/ticket-keys/x", null, host.AdminKey)).ExpectProblem(404, "no-such-key");
    }

    [Fact]
    public async Task A_change_that_meets_another_one_is_made_upon_it()
    {
        await using var host = await CenterHost.StartAsync();
        var others = 0;
        host.Apps.BeforeSave = app =>
        {
            if (app.Name != "mine" || others++ >= 3)
                return;
            host.Edit("shop", current => current with { Limits = current.Limits with { EventCount = 100 + others } });
        };
        var answer = (await host.SendAsync("PATCH", "/v1/apps/shop", """{"name":"mine"}""", host.AdminKey)).Expect(200);
        Assert.Equal(103, (int)answer.Json["limits"]!["eventCount"]!);
        Assert.Equal("mine", answer.Text("name"));
    }

    [Fact]
    public async Task A_change_that_always_meets_others_gives_up()
    {
        await using var host = await CenterHost.StartAsync();
        var count = 0;
        host.Apps.BeforeSave = app =>
        {
            if (app.Name == "mine")
                host.Edit("shop", current => current with { Name = $"other {count++}" });
        };
        (await host.SendAsync("PATCH", "/v1/apps/shop", """{"name":"mine"}""", host.AdminKey)).ExpectProblem(409, "changed-meanwhile");
        Assert.StartsWith("other", host.Apps.Find("shop")!.Name, StringComparison.Ordinal);
    }
}
