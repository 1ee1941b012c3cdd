using PushSystem.Center.Endpoints;

namespace PushSystem.Center.OpenApi;

/// <summary>The endpoints that take the admin key, as documented.</summary>
internal static class AdminOperations
{
    public const string Tag = "Administration";

    private const string AppMembers =
        "\"id\":\"shop\",\"name\":\"The shop\",\"enabled\":true,\"createdAt\":\"2026-01-01T12:00:00Z\","
        + "\"webhook\":{\"url\":\"https://shop.example/push\",\"typeUrls\":{},\"presence\":true},"
        + "\"limits\":{\"mailboxMessages\":1000,\"mailboxBytes\":8388608,\"mailboxAgeSeconds\":604800,\"payloadBytes\":65536,"
        + "\"deliveryAttempts\":20,\"eventCount\":100000,\"eventBytes\":67108864,\"requestsPerSecond\":0},"
        + "\"apiKeys\":[{\"id\":\"k0a1b2c3d4e5f\",\"createdAt\":\"2026-01-01T12:00:00Z\"}],"
        + "\"ticketKeys\":[{\"id\":1804289383,\"createdAt\":\"2026-01-01T12:00:00Z\"}]";

    public const string AppExample = "{" + AppMembers + "}";

    private static readonly ApiProblem NoApp = new(404, "no-such-app");
    private static readonly ApiProblem NoKey = new(404, "no-such-app, no-such-key");
    private static readonly ApiProblem TooMany = new(409, "too-many-keys, changed-meanwhile");
    private static readonly ApiProblem Meanwhile = new(409, "changed-meanwhile");

    public static readonly ApiOperation CreateApp = New("createApp", "Create an app") with
    {
        Description = "The answer shows the app's first API key and ticket key and the webhook's secret. They are shown only here; an answer repeated for its "
            + "Idempotency-Key within 24 hours shows them again.",
        Request = typeof(NewAppRequest),
        RequestExample = """{"id":"shop","name":"The shop","webhook":{"url":"https://shop.example/push","presence":true},"limits":{"mailboxMessages":1000}}""",
        Replies =
        [
            new(201, "The app with its secrets.", typeof(AppView),
                "{" + AppMembers + ",\"apiKey\":\"pk_shop_…\",\"ticketKey\":{\"id\":1804289383,\"secret\":\"…\"},\"webhookSecret\":\"whsec_…\"}"),
        ],
        Problems = [new(409, "app-exists")],
    };

    public static readonly ApiOperation ListApps = New("listApps", "List apps") with
    {
        Replies = [new(200, "All apps, ordered by id.", typeof(AppListView), "{\"apps\":[" + AppExample + "]}")],
    };

    public static readonly ApiOperation GetApp = New("getApp", "Look at an app") with
    {
        Replies = [new(200, "The app.", typeof(AppView), AppExample)],
        Problems = [NoApp],
    };

    public static readonly ApiOperation ChangeApp = New("changeApp", "Change an app") with
    {
        Description = "What is not named stays as it is. A webhook is replaced as a whole; its secrets stay. A first webhook's secret is shown in this answer only.",
        Request = typeof(AppChangeRequest),
        RequestExample = """{"name":"The big shop","enabled":true,"webhook":{"url":"https://shop.example/push","typeUrls":{"order":"https://shop.example/orders"},"presence":false},"limits":{"requestsPerSecond":0}}""",
        Replies = [new(200, "The app.", typeof(AppView), AppExample)],
        Problems = [NoApp, Meanwhile],
    };

    public static readonly ApiOperation DisableApp = New("disableApp", "Disable an app") with
    {
        Description = "Its keys are refused from now on; its data stays, and a change of enabled brings it back.",
        Replies = [new(200, "The app.", typeof(AppView), AppExample)],
        Problems = [NoApp, Meanwhile],
    };

    public static readonly ApiOperation AddApiKey = Add("addApiKey", "Add an API key; at most 16") with
    {
        Replies = [new(201, "The key.", typeof(NewApiKeyView), """{"id":"k0a1b2c3d4e5f","apiKey":"pk_shop_…"}""")],
        Problems = [NoApp, TooMany],
    };

    public static readonly ApiOperation RemoveApiKey = New("removeApiKey", "Remove an API key") with
    {
        Replies = [new(204, "Removed.")],
        Problems = [NoKey, Meanwhile],
    };

    public static readonly ApiOperation AddTicketKey = Add("addTicketKey", "Add a ticket key; at most two") with
    {
        Description = "Tickets of both keys are valid; new ones are signed with the newest. To rotate: add one, wait until the old key's tickets are over, remove the old one.",
        Replies = [new(201, "The key.", typeof(NewTicketKeyView), """{"id":1804289383,"secret":"…"}""")],
        Problems = [NoApp, TooMany],
    };

    public static readonly ApiOperation RemoveTicketKey = New("removeTicketKey", "Remove a ticket key") with
    {
        Description = "Its tickets are refused from now on; sessions that are bound stay.",
        Replies = [new(204, "Removed.")],
        Problems = [NoKey, Meanwhile],
    };

    public static readonly ApiOperation AddWebhookSecret = Add("addWebhookSecret", "Renew the webhook's secret") with
    {
        Description = "Deliveries are signed with the newest two secrets, so that the receiver can change over; an older one ends.",
        Replies = [new(201, "The secret.", typeof(NewWebhookSecretView), """{"webhookSecret":"whsec_…"}""")],
        Problems = [NoApp, new(409, "no-webhook, changed-meanwhile")],
    };

    private static ApiOperation New(string id, string summary) => new(id, Tag, summary) { IsAdmin = true };

    private static ApiOperation Add(string id, string summary) =>
        New(id, summary) with { Request = typeof(NothingRequest), IsRequestOptional = true };
}
