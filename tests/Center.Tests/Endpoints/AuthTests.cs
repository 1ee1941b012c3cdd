using System.Net;
using PushSystem.Center.Auth;
using PushSystem.Contracts;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class AuthTests
{
    private const string Body = """{"user":"a","text":"x"}""";

    public static TheoryData<string, string> AppPaths => new()
    {
        { "POST", "/v1/messages" }, { "POST", "/v1/messages/batch" }, { "POST", "/v1/tickets" }, { "GET", "/v1/users/a" },
        { "GET", "/v1/users/a/messages/m1-1" }, { "POST", "/v1/users/a/kick" }, { "GET", "/v1/app" }, { "POST", "/v1/broadcasts" },
        { "GET", "/v1/broadcasts" }, { "GET", "/v1/broadcasts/b1-1" }, { "PATCH", "/v1/broadcasts/b1-1" }, { "POST", "/v1/broadcasts/b1-1/pause" },
        { "POST", "/v1/broadcasts/b1-1/resume" }, { "POST", "/v1/broadcasts/b1-1/cancel" },
        { "POST", "/v1/multicasts" }, { "GET", "/v1/multicasts" }, { "GET", "/v1/multicasts/t1" }, { "PATCH", "/v1/multicasts/t1" },
        { "POST", "/v1/multicasts/t1/pause" }, { "POST", "/v1/multicasts/t1/resume" }, { "POST", "/v1/multicasts/t1/cancel" },
    };

    public static TheoryData<string, string> AdminPaths => new()
    {
        { "POST", "/v1/apps" }, { "GET", "/v1/apps" }, { "GET", "/v1/apps/shop" }, { "PATCH", "/v1/apps/shop" }, { "DELETE", "/v1/apps/shop" },
        { "POST", "/v1/apps/shop/api-keys" }, { "DELETE", "/v1/apps/shop/api-keys/k1" }, { "POST", "/v1/apps/shop/ticket-keys" },
        { "DELETE", "/v1/apps/shop/ticket-keys/1" }, { "POST", "/v1/apps/shop/webhook-secrets" },
    };

    [Theory]
    [MemberData(nameof(AppPaths))]
    public async Task Every_app_path_wants_an_apps_key(string method, string path)
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync(method, path, method == "GET" ? null : "{}", key: "")).ExpectProblem(401, "unauthorized");
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().Scheme);
        (await host.SendAsync(method, path, method == "GET" ? null : "{}", host.AdminKey)).ExpectProblem(403, "app-key-needed");
        Assert.Empty((await host.SendAsync(method, path, null, host.AdminKey)).Headers.WwwAuthenticate);
    }

    [Theory]
    [MemberData(nameof(AdminPaths))]
    public async Task Every_admin_path_wants_the_admin_key(string method, string path)
    {
        await using var host = await CenterHost.StartAsync();
        var before = host.Apps.Find("shop");
        (await host.SendAsync(method, path, method == "GET" ? null : "{}", key: "")).ExpectProblem(401, "unauthorized");
        (await host.SendAsync(method, path, method == "GET" ? null : "{}", host.AppKey)).ExpectProblem(403, "admin-key-needed");
        Assert.Same(before, host.Apps.Find("shop"));
    }

    [Theory]
    [InlineData("pk_shop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("pa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("x")]
    [InlineData("käse")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task Wrong_keys_are_refused_alike(string key)
    {
        await using var host = await CenterHost.StartAsync();
        foreach (var path in (string[])["/v1/app", "/v1/apps"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Uri.EscapeDataString(key)}");
            using var response = await host.Http.SendAsync(request);
            var answer = (await Answer.ReadAsync(response)).ExpectProblem(401, "unauthorized");
            Assert.Equal("A valid key is needed: Authorization: Bearer KEY.", answer.Text("detail"));
        }
    }

    [Theory]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Basic {0}")]
    [InlineData("{0}")]
    [InlineData("Bearer{0}")]
    [InlineData("Bearer {0}x")]
    public async Task Other_forms_of_the_header_are_refused(string form)
    {
        await using var host = await CenterHost.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/app");
        request.Headers.TryAddWithoutValidation("Authorization", string.Format(System.Globalization.CultureInfo.InvariantCulture, form, host.AppKey));
        using var response = await host.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task The_scheme_is_read_in_any_case()
    {
        await using var host = await CenterHost.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/app");
        request.Headers.TryAddWithoutValidation("Authorization", $"bearer {host.AppKey}");
        using var response = await host.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Without_an_admin_key_in_the_options_nobody_is_admin()
    {
        await using var host = await CenterHost.StartAsync(options => options.AdminKeyHash = "");
        (await host.SendAsync("GET", "/v1/apps", key: host.AdminKey)).ExpectProblem(401, "unauthorized");
        (await host.SendAsync("GET", "/v1/apps", key: "pa_")).ExpectProblem(401, "unauthorized");
    }

    [Fact]
    public async Task A_disabled_app_is_refused()
    {
        await using var host = await CenterHost.StartAsync();
        host.Edit(CenterHost.App, app => app with { Enabled = false });
        (await host.SendAsync("POST", "/v1/messages", Body)).ExpectProblem(403, "app-disabled");
        (await host.SendAsync("POST", "/v1/messages", Body, host.OtherKey)).Expect(202);
    }

    [Fact]
    public async Task An_app_is_held_to_its_requests_per_second()
    {
        await using var host = await CenterHost.StartAsync();
        host.Edit(CenterHost.App, app => app with { Limits = app.Limits with { RequestsPerSecond = 2 } });
        (await host.SendAsync("GET", "/v1/app")).Expect(200);
        (await host.SendAsync("POST", "/v1/messages", "{")).ExpectProblem(400, "malformed-json");
        var answer = (await host.SendAsync("POST", "/v1/messages", Body)).ExpectProblem(429, "too-many-requests");
        Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
        Assert.Equal("2 requests per second", answer.Text("limit"));
        Assert.Equal(0, host.Mailboxes.AppendCount);
        (await host.SendAsync("GET", "/v1/app", key: host.OtherKey)).Expect(200);
        host.Clock.Advance(TimeSpan.FromMilliseconds(500));
        (await host.SendAsync("GET", "/v1/app")).Expect(200);
        (await host.SendAsync("GET", "/v1/app")).Expect(429);
        host.Edit(CenterHost.App, app => app with { Limits = app.Limits with { RequestsPerSecond = 0 } });
        (await host.SendAsync("GET", "/v1/app")).Expect(200);
    }

    [Fact]
    public void Keys_are_random_and_only_their_hash_is_kept()
    {
        var keys = Enumerable.Range(0, 50).Select(_ => AppKeys.NewApiKey("my_app", 5)).ToArray();
        Assert.Equal(50, keys.Select(key => key.Text).Distinct().Count());
        Assert.Equal(50, keys.Select(key => key.Key.Id).Distinct().Count());
        Assert.All(keys, key =>
        {
            Assert.Matches("^pk_my_app_[A-Za-z0-9_-]{43}$", key.Text);
            Assert.Equal(AppKeys.Hash(key.Text), key.Key.Hash.ToArray());
            Assert.Equal(5, key.Key.CreatedAt);
        });
        Assert.Matches("^pa_[A-Za-z0-9_-]{43}$", AppKeys.NewAdminKey());
        Assert.Equal(32, AppKeys.NewTicketKey([], 0).Secret.Length);
        Assert.Matches("^whsec_[A-Za-z0-9+/]{43}=$", AppKeys.WebhookSecretText(AppKeys.NewWebhookSecret()));
    }
}
