using PushSystem.Center.Endpoints;

namespace PushSystem.Center.OpenApi;

/// <summary>The endpoints that take an app's key, as documented.</summary>
internal static class AppOperations
{
    public const string Messages = "Messages", Users = "Users", Broadcasts = "Broadcasts", App = "App";

    private const string TaskExample =
        """
        {"id":"b1-4","state":"queued","ratePerSecond":2000,"acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-02T12:00:00Z","targeted":0,"sent":0,"acked":0,"offline":0}
        """;

    private static readonly string RunningExample = Example("running");

    private static readonly ApiProblem NoBroadcast = new(404, "no-such-broadcast");
    private static readonly ApiProblem WrongState = new(409, "wrong-state");

    public static readonly ApiOperation SendMessage = new("sendMessage", Messages, "Send a message to one user")
    {
        Description = "With the levels stored and durable the answer 202 means that the message is safe and will be delivered in order, now or when the user "
            + "comes online. With the level transient it is delivered now or not at all, and the answer 200 says which.",
        Request = typeof(MessageRequest),
        RequestExample = """{"user":"alice","json":{"title":"Your order has shipped","order":4711},"level":"durable","ttlSeconds":86400}""",
        Replies =
        [
            new(202, "Accepted at the level told.", typeof(MessageReplyView),
                """{"id":"m1-17","user":"alice","level":"durable","acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-02T12:00:00Z","state":"accepted"}"""),
            new(200, "Transient: delivered or not.", typeof(TransientReplyView), """{"user":"alice","level":"transient","delivered":true}"""),
        ],
    };

    public static readonly ApiOperation SendBatch = new("sendBatch", Messages, "Send up to 1,000 messages, all or none")
    {
        Description = "The messages may go to different users; those to one user keep their order. If one of them is wrong, none is accepted.",
        Request = typeof(BatchRequest),
        RequestExample = """{"level":"durable","messages":[{"user":"alice","text":"hello"},{"user":"bob","base64":"aGVsbG8=","ttlSeconds":3600}]}""",
        Replies =
        [
            new(202, "All accepted at the level told.", typeof(BatchReplyView),
                """{"level":"durable","count":2,"messages":[{"user":"alice","id":"m1-18"},{"user":"bob","id":"m1-3"}]}"""),
            new(200, "Transient: delivered or not, each.", typeof(BatchReplyView),
                """{"level":"transient","count":2,"messages":[{"user":"alice","delivered":true},{"user":"bob","delivered":false}]}"""),
        ],
    };

    public static readonly ApiOperation GetMessage = new("getMessage", Messages, "What became of a message")
    {
        Replies =
        [
            new(200, "Its state.", typeof(MessageStatusView),
                """{"id":"m1-17","user":"alice","state":"acked","acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-02T12:00:00Z"}"""),
        ],
        Problems = [new(404, "no-such-message")],
    };

    public static readonly ApiOperation IssueTicket = new("issueTicket", Users, "Issue a ticket with which a device binds a user")
    {
        Description = "Signed with the newest of the app's ticket keys. A business that holds a ticket key can sign tickets itself.",
        Request = typeof(TicketRequest),
        RequestExample = """{"user":"alice","ttlSeconds":3600}""",
        Replies = [new(200, "The ticket.", typeof(TicketView), """{"ticket":"AQAAAAE…","expiresAt":"2026-01-01T13:00:00Z"}""")],
        Problems = [new(409, "no-ticket-key")],
    };

    public static readonly ApiOperation GetUser = new("getUser", Users, "Whether a user is online, and what waits for them")
    {
        Replies =
        [
            new(200, "The user. One that has never been seen is offline and has no mailbox.", typeof(UserView),
                """{"user":"alice","online":true,"session":{"room":"room-1","connection":"7340036","device":"phone-1","remoteAddress":"192.0.2.7:50122","since":"2026-01-01T11:00:00Z"},"mailbox":{"epoch":1,"acked":16,"top":17,"pending":1,"pendingBytes":48,"oldestAt":"2026-01-01T12:00:00Z","lastAckAt":"2026-01-01T11:59:00Z"}}"""),
        ],
    };

    public static readonly ApiOperation Kick = new("kickUser", Users, "End a user's session")
    {
        Description = "The device is told not to come back by itself. What waits for the user stays.",
        Request = typeof(NothingRequest),
        IsRequestOptional = true,
        Replies = [new(200, "Whether there was a session.", typeof(KickView), """{"user":"alice","kicked":true}""")],
    };

    public static readonly ApiOperation SendBroadcast = new("sendBroadcast", Broadcasts, "Send a message to all users of the app")
    {
        Description = "Broadcasts of one app are sent one after the other. Users who are offline get it when they come online, until it expires.",
        Request = typeof(BroadcastRequest),
        RequestExample = """{"text":"We are back.","ttlSeconds":86400,"ratePerSecond":2000}""",
        Replies = [new(202, "The task, queued.", typeof(BroadcastView), TaskExample)],
        Problems = [new(429, "too-many-broadcasts")],
    };

    public static readonly ApiOperation ListBroadcasts = new("listBroadcasts", Broadcasts, "List broadcasts, newest first")
    {
        Query =
        [
            new("limit", $"How many; default {BroadcastEndpoints.DefaultPage}.", 1, BroadcastEndpoints.MaxPage),
            new("before", "Only those older than this id: the field next of the page before."),
        ],
        Replies = [new(200, "A page.", typeof(BroadcastListView), $$"""{"broadcasts":[{{RunningExample}}],"next":"b1-4"}""")],
    };

    public static readonly ApiOperation GetBroadcast = new("getBroadcast", Broadcasts, "A broadcast and its progress")
    {
        Replies = [new(200, "The task.", typeof(BroadcastView), RunningExample)],
        Problems = [NoBroadcast],
    };

    public static readonly ApiOperation ChangeBroadcast = new("changeBroadcast", Broadcasts, "Change a broadcast's rate")
    {
        Request = typeof(RateRequest),
        RequestExample = """{"ratePerSecond":500}""",
        Replies = [new(200, "The task.", typeof(BroadcastView), RunningExample)],
        Problems = [NoBroadcast, WrongState],
    };

    public static readonly ApiOperation PauseBroadcast = Act("pauseBroadcast", "Hold a broadcast", "Allowed while it is queued or running.", Example("paused"));

    public static readonly ApiOperation ResumeBroadcast = Act("resumeBroadcast", "Let a held broadcast go on", "Allowed while it is paused.", Example("running"));

    public static readonly ApiOperation CancelBroadcast = Act(
        "cancelBroadcast", "End a broadcast for good", "Allowed while it is queued, running or paused. Who has not got it will not get it.",
        Example("cancelled", "\"finishedAt\":\"2026-01-01T12:00:04Z\","));

    public static readonly ApiOperation GetOwnApp = new("getOwnApp", App, "The app that the key belongs to")
    {
        Replies = [new(200, "The app, without secrets.", typeof(AppView), AdminOperations.AppExample)],
    };

    private static string Example(string state, string finished = "") =>
        $$"""
        {"id":"b1-4","state":"{{state}}","ratePerSecond":2000,"acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-02T12:00:00Z","startedAt":"2026-01-01T12:00:01Z",{{finished}}"targeted":18250,"sent":6021,"acked":5990,"offline":70411}
        """;

    private static ApiOperation Act(string id, string summary, string description, string example) => new(id, Broadcasts, summary)
    {
        Description = description,
        Request = typeof(NothingRequest),
        IsRequestOptional = true,
        Replies = [new(200, "The task.", typeof(BroadcastView), example)],
        Problems = [NoBroadcast, WrongState],
    };
}
