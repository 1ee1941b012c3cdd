using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using PushSystem.Center.Bodies;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

/// <summary>How bodies arrive: their type, their size, and in how many pieces.</summary>
public sealed class BodyTests
{
    private const string Message = """{"user":"a","text":"hello"}""";

    [Theory]
    [InlineData("application/json", 202)]
    [InlineData("Application/JSON", 202)]
    [InlineData("application/json; charset=utf-8", 202)]
    [InlineData("application/json;charset=\"UTF-8\"", 202)]
    [InlineData("application/json; charset=iso-8859-1", 415)]
    [InlineData("text/plain", 415)]
    [InlineData("application/x-www-form-urlencoded", 415)]
    [InlineData("application/jsonx", 415)]
    [InlineData("nonsense", 415)]
    [InlineData(null, 415)]
    public async Task Only_JSON_is_taken(string? type, int status)
    {
        await using var host = await CenterHost.StartAsync();
        var answer = await host.SendAsync("POST", "/v1/messages", Message, contentType: type);
        if (status == 202)
            answer.Expect(202);
        else
            answer.ExpectProblem(415, "wrong-content-type");
        Assert.Equal(status == 202 ? 1 : 0, host.Mailboxes.AppendCount);
    }

    [Fact]
    public async Task Encoded_bodies_are_refused()
    {
        await using var host = await CenterHost.StartAsync();
        using var request = Request(host, "/v1/messages", new ByteArrayContent(Encoding.UTF8.GetBytes(Message)));
        request.Content!.Headers.ContentEncoding.Add("gzip");
        using var response = await host.Http.SendAsync(request);
        (await Answer.ReadAsync(response)).ExpectProblem(415, "wrong-content-encoding");
    }

    [Fact]
    public async Task Requests_without_a_body_need_no_content_type()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/users/a/kick")).Expect(200);
        (await host.SendAsync("POST", "/v1/users/a/kick", "")).Expect(200);
        (await host.SendAsync("POST", "/v1/users/a/kick", "{ }")).Expect(200);
        (await host.SendAsync("POST", "/v1/users/a/kick", "{}", contentType: "text/plain")).ExpectProblem(415, "wrong-content-type");
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_by_its_announced_length()
    {
        await using var host = await CenterHost.StartAsync(options => options.MaxBatchBodyBytes = 100_000);
        var answer = (await host.SendBytesAsync("POST", "/v1/messages/batch", new byte[100_001])).ExpectProblem(413, "body-too-large");
        Assert.Equal("at most 100000 bytes", answer.Text("limit"));
        (await host.SendBytesAsync("POST", "/v1/messages", new byte[6 * 65_536 + 16_385])).ExpectProblem(413, "body-too-large");
        (await host.SendBytesAsync("POST", "/v1/tickets", new byte[512 * 1_024 + 1])).ExpectProblem(413, "body-too-large");
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_without_an_announced_length()
    {
        await using var host = await CenterHost.StartAsync(options => options.MaxBatchBodyBytes = 100_000);
        using var request = Request(host, "/v1/messages/batch", new ChunkedContent(new byte[200_000], 10_000));
        using var response = await host.Http.SendAsync(request);
        (await Answer.ReadAsync(response)).ExpectProblem(413, "body-too-large");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4_096)]
    public async Task A_body_in_pieces_is_read_whole(int piece)
    {
        await using var host = await CenterHost.StartAsync();
        var text = new string('x', 10_000);
        using var request = Request(host, "/v1/messages", new ChunkedContent(Encoding.UTF8.GetBytes($$"""{"user":"a","text":"{{text}}"}"""), piece));
        using var response = await host.Http.SendAsync(request);
        (await Answer.ReadAsync(response)).Expect(202);
        Assert.Equal(text, Encoding.UTF8.GetString(host.Mailboxes.Of(CenterHost.App, "a").Single().Draft.Payload.Span));
    }

    [Fact]
    public async Task A_batch_longer_than_the_servers_own_default_limit_is_taken()
    {
        await using var host = await CenterHost.StartAsync();
        var escaped = string.Concat(Enumerable.Repeat("\\u0001", 60_000));
        var messages = string.Join(',', Enumerable.Repeat($$"""{"user":"a","text":"{{escaped}}"}""", 86));
        var body = Encoding.UTF8.GetBytes($$"""{"messages":[{{messages}}]}""");
        Assert.InRange(body.Length, 30_000_001, 32 * 1_024 * 1_024);
        (await host.SendBytesAsync("POST", "/v1/messages/batch", body)).Expect(202);
        Assert.Equal(86, host.Mailboxes.Total);
    }

    [Fact]
    public async Task Bodies_beyond_the_budget_are_refused_and_the_budget_comes_back()
    {
        await using var host = await CenterHost.StartAsync(options => options.BufferedBodyBytes = 1_024 * 1_024);
        var big = Encoding.UTF8.GetBytes($$"""{"messages":[{{string.Join(',', Enumerable.Repeat($$"""{"user":"a","text":"{{new string('x', 60_000)}}"}""", 40))}}]}""");
        (await host.SendBytesAsync("POST", "/v1/messages/batch", big)).ExpectProblem(503, "overloaded");
        for (var i = 0; i < 5; i++)
            (await host.SendBytesAsync("POST", "/v1/messages/batch", big[..200_000])).ExpectProblem(400, "malformed-json");
    }

    [Fact]
    public void The_budget_counts_what_is_taken_and_given_back()
    {
        var budget = new BodyBudget(10);
        Assert.True(budget.TryTake(6));
        Assert.False(budget.TryTake(5));
        Assert.True(budget.TryTake(4));
        budget.Release(6);
        Assert.True(budget.TryTake(6));
    }

    [Fact]
    public async Task A_caller_that_goes_away_in_the_middle_of_its_body_harms_nobody()
    {
        await using var host = await CenterHost.StartAsync();
        using (var socket = new Socket(SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(host.Http.BaseAddress!.Host, host.Http.BaseAddress.Port);
            await socket.SendAsync(Encoding.ASCII.GetBytes(
                $"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {host.AppKey}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"user\""));
            socket.LingerState = new LingerOption(true, 0);
        }
        (await host.SendAsync("POST", "/v1/messages", Message)).Expect(202);
        Assert.Equal(1, host.Mailboxes.AppendCount);
    }

    [Fact]
    public async Task Requests_sent_together_on_one_connection_are_answered_in_order()
    {
        await using var host = await CenterHost.StartAsync();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(host.Http.BaseAddress!.Host, host.Http.BaseAddress.Port);
        var requests = string.Concat(Enumerable.Range(0, 20).Select(i =>
        {
            var body = $$"""{"user":"u{{i:00}}","text":"x"}""";
            return $"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {host.AppKey}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        }));
        await socket.SendAsync(Encoding.ASCII.GetBytes(requests));
        var received = "";
        var buffer = new byte[65_536];
        while (received.Split("\"accepted\"").Length <= 20)
            received += Encoding.ASCII.GetString(buffer, 0, await Waiting.For(socket.ReceiveAsync(buffer), "the answers arrive"));
        var users = received.Split("\"user\":\"").Skip(1).Select(part => part[..3]);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"u{i:00}"), users);
    }

    private static HttpRequestMessage Request(CenterHost host, string path, HttpContent content)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return new HttpRequestMessage(HttpMethod.Post, path) { Content = content, Headers = { Authorization = new("Bearer", host.AppKey) } };
    }

    /// <summary>Content without a length, sent in pieces.</summary>
    private sealed class ChunkedContent(byte[] bytes, int piece) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            for (var i = 0; i < bytes.Length; i += piece)
            {
                await stream.WriteAsync(bytes.AsMemory(i, Math.Min(piece, bytes.Length - i)));
                await stream.FlushAsync();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
