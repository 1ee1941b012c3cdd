namespace PushSystem.Client.Tests.Support;

/// <summary>Answers the questions to the dispatcher as the test says and remembers them.</summary>
internal sealed class FakeDispatcher : HttpMessageHandler
{
    private readonly Lock _lock = new();
    private readonly List<Uri> _asked = [];

    public Func<HttpRequestMessage, HttpResponseMessage> Answer { get; set; } = _ => new HttpResponseMessage(System.Net.HttpStatusCode.NotFound);

    /// <summary>Never answers.</summary>
    public bool Silent { get; init; }

    public List<Uri> Asked
    {
        get
        {
            lock (_lock)
                return [.. _asked];
        }
    }

    /// <summary>An answer with one address.</summary>
    public static Func<HttpRequestMessage, HttpResponseMessage> Route(string address, string backoff = "null")
    {
        var colon = address.LastIndexOf(':');
        var body = $$"""
            {"addresses":[{"host":"{{address[..colon]}}","port":{{address[(colon + 1)..]}}}],"ttlSeconds":300,"group":"A",
             "heartbeat":{"minSeconds":30,"maxSeconds":600,"defaultSeconds":120},"backoff":{{backoff}},"serverTime":"2026-01-01T12:00:00Z"}
            """;
        return _ => new HttpResponseMessage { Content = new StringContent(body) };
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        lock (_lock)
            _asked.Add(request.RequestUri!);
        if (Silent)
            await Task.Delay(Timeout.Infinite, cancellationToken);
        return Answer(request);
    }
}
