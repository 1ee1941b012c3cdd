using PushSystem.Center.Endpoints;

namespace PushSystem.Center.OpenApi;

/// <summary>The endpoints about multicasts, as documented.</summary>
internal static class MulticastOperations
{
    public const string Tag = "Multicasts";

    private static readonly string RunningExample = Example("running");

    private static readonly ApiProblem NotFound = new(404, "no-such-multicast");
    private static readonly ApiProblem WrongState = new(409, "wrong-state");

    public static readonly ApiOperation SendMulticast = new("sendMulticast", Tag, "Send a message to a list of up to 1,000,000 users")
    {
        Description = "The answer 202 means that the whole list is stored and every user of it will get the message once, a user given twice too. The list may also be "
            + "sent as application/x-ndjson: the first line is this object without users, each following line one user as a JSON string.",
        Request = typeof(MulticastRequest),
        RequestExample = """{"text":"Your seat is confirmed.","level":"durable","ttlSeconds":86400,"ratePerSecond":2000,"users":["alice","bob"]}""",
        Replies =
        [
            new(202, "The task, queued.", typeof(MulticastView),
                """{"id":"t17","state":"queued","level":"durable","ratePerSecond":2000,"acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-02T12:00:00Z","targeted":2,"accepted":0,"refused":0,"online":0}"""),
        ],
    };

    public static readonly ApiOperation ListMulticasts = new("listMulticasts", Tag, "List multicasts, newest first")
    {
        Query =
        [
            new("limit", $"How many; default {BroadcastEndpoints.DefaultPage}.", 1, BroadcastEndpoints.MaxPage),
            new("before", "Only those older than this id: the field next of the page before."),
        ],
        Replies = [new(200, "A page.", typeof(MulticastListView), $$"""{"multicasts":[{{RunningExample}}],"next":"t17"}""")],
    };

    public static readonly ApiOperation GetMulticast = new("getMulticast", Tag, "A multicast and its progress")
    {
        Replies = [new(200, "The task.", typeof(MulticastView), RunningExample)],
        Problems = [NotFound],
    };

    public static readonly ApiOperation ChangeMulticast = new("changeMulticast", Tag, "Change a multicast's rate")
    {
        Request = typeof(RateRequest),
        RequestExample = """{"ratePerSecond":500}""",
        Replies = [new(200, "The task.", typeof(MulticastView), RunningExample)],
        Problems = [NotFound, WrongState],
    };

    public static readonly ApiOperation PauseMulticast = Act("pauseMulticast", "Hold a multicast", "Allowed while it is queued or running.", Example("paused"));

    public static readonly ApiOperation ResumeMulticast = Act("resumeMulticast", "Let a held multicast go on", "Allowed while it is paused.", RunningExample);

    public static readonly ApiOperation CancelMulticast = Act(
        "cancelMulticast", "End a multicast for good",
        "Allowed while it is queued, running or paused. Whose mailbox does not have it yet will not get it; what was accepted stays.",
        Example("cancelled", "\"finishedAt\":\"2026-01-01T12:00:04Z\","));

    private static string Example(string state, string finished = "") =>
        $$"""
        {"id":"t17","state":"{{state}}","level":"durable","ratePerSecond":2000,"acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-02T12:00:00Z","startedAt":"2026-01-01T12:00:00Z",{{finished}}"targeted":250000,"accepted":6000,"refused":0,"online":1411}
        """;

    private static ApiOperation Act(string id, string summary, string description, string example) => new(id, Tag, summary)
    {
        Description = description,
        Request = typeof(NothingRequest),
        IsRequestOptional = true,
        Replies = [new(200, "The task.", typeof(MulticastView), example)],
        Problems = [NotFound, WrongState],
    };
}
