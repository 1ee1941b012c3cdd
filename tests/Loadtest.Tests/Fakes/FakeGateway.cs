using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.Tests.Fakes;

/// <summary>What a gateway does wrong, once or always, for the harness to find.</summary>
public enum Fault
{
    None,
    LosesOne,
    RepeatsOneUnderANewNumber,
    SwapsTwo,
    SendsOneToSomebodyElse,
    DeliversWhatItRefused,
    SkipsANumber,
    DropsAllConnectionsOnce,
    RefusesEverything,
}

/// <summary>
/// A small gateway with mailboxes in memory: tickets, route, messages, batches and broadcasts over HTTP, and the client protocol
/// over TCP. Correct, but for the one fault it is told to have.
/// </summary>
public sealed class FakeGateway : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<string, Mailbox> _mailboxes = new();
    private readonly Mailbox _log = new();
    private readonly Fault _fault;
    private readonly WebApplication _app;
    private int _faults, _accepted;

    private FakeGateway(Fault fault)
    {
        _fault = fault;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPost("/v1/tickets", () => Results.Json(new { ticket = "AAAA", expiresAt = "2026-01-01T00:00:00Z" }));
        _app.MapGet("/v1/route", () => Results.Json(new { addresses = new[] { new { host = "127.0.0.1", port = Room.Port } } }));
        _app.MapPost("/v1/messages", async (HttpRequest request) => Accept([(await JsonAsync(request)).RootElement]));
        _app.MapPost("/v1/messages/batch", async (HttpRequest request) =>
            Accept([.. (await JsonAsync(request)).RootElement.GetProperty("messages").EnumerateArray()]));
        _app.MapPost("/v1/broadcasts", async (HttpRequest request) => AcceptBroadcast((await JsonAsync(request)).RootElement));
    }

    public string Url { get; private set; } = "";

    public string LastAuthorization { get; private set; } = "";

    private IPEndPoint Room => (IPEndPoint)_listener.LocalEndpoint;

    public static async Task<FakeGateway> StartAsync(Fault fault)
    {
        var gateway = new FakeGateway(fault);
        gateway._listener.Start(1_024);
        _ = gateway.AcceptLoopAsync();
        await gateway._app.StartAsync();
        gateway.Url = gateway._app.Urls.First();
        return gateway;
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _app.DisposeAsync();
    }

    private async Task<JsonDocument> JsonAsync(HttpRequest request)
    {
        LastAuthorization = request.Headers.Authorization.ToString();
        return await JsonDocument.ParseAsync(request.Body);
    }

    private IResult Accept(JsonElement[] messages)
    {
        if (_fault == Fault.RefusesEverything)
            return Results.Problem("no", statusCode: 403);
        Interlocked.Add(ref _accepted, messages.Length);
        // The fault comes in the middle of a run, not at its edge.
        var now = _accepted > 50;
        if (now && _fault == Fault.DeliversWhatItRefused && Once())
        {
            Deliver(messages);
            return Results.Problem("no", statusCode: 400);
        }
        if (now && _fault == Fault.SwapsTwo)
        {
            // Two messages of one user, far enough into the batch to have both.
            for (var i = messages.Length - 1; i > 0; i--)
            {
                var other = Array.FindIndex(messages, 0, i, item => User(item) == User(messages[i]));
                if (other >= 0 && Once())
                    (messages[i], messages[other]) = (messages[other], messages[i]);
            }
        }
        Deliver(messages);
        if (now && _fault == Fault.DropsAllConnectionsOnce && Once())
        {
            foreach (var mailbox in _mailboxes.Values)
                mailbox.Drop();
        }
        return Results.Json(new { level = "durable", count = messages.Length }, statusCode: 202);
    }

    private void Deliver(JsonElement[] messages)
    {
        foreach (var message in messages)
        {
            var payload = Encoding.UTF8.GetBytes(message.GetProperty("text").GetString()!);
            var mailbox = MailboxOf(User(message));
            var now = _accepted > 50;
            if (now && _fault == Fault.LosesOne && Once())
                continue;
            if (now && _fault == Fault.SendsOneToSomebodyElse && _mailboxes.FirstOrDefault(pair => pair.Key != User(message)).Value is { } wrong && Once())
                wrong.Append(payload, StreamKind.Mailbox);
            if (now && _fault == Fault.SkipsANumber && Once())
                mailbox.Skip();
            mailbox.Append(payload, StreamKind.Mailbox);
            if (now && _fault == Fault.RepeatsOneUnderANewNumber && Once())
                mailbox.Append(payload, StreamKind.Mailbox);
        }
    }

    private IResult AcceptBroadcast(JsonElement body)
    {
        var payload = Encoding.UTF8.GetBytes(body.GetProperty("text").GetString()!);
        var seq = _log.Append(payload, StreamKind.Broadcast);
        foreach (var mailbox in _mailboxes.Values)
        {
            if (seq > 1 && _fault == Fault.LosesOne && Once())
                continue;
            mailbox.Send(payload, seq, StreamKind.Broadcast);
        }
        return Results.Json(new { id = $"b1-{seq}" }, statusCode: 202);
    }

    private bool Once() => Interlocked.Increment(ref _faults) == 1;

    private static string User(JsonElement message) => message.GetProperty("user").GetString()!;

    private Mailbox MailboxOf(string user) => _mailboxes.GetOrAdd(user, _ => new Mailbox());

    private async Task AcceptLoopAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        var connection = new ScriptedConnection(client);
        try
        {
            var binding = (await connection.ReadLoginAsync()).Bindings[0];
            MailboxOf(binding.User).Attach(client, binding.Mailbox.Seq, _log.Top);
            var buffer = new byte[4_096];
            while (await client.GetStream().ReadAsync(buffer) > 0)
            {
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or SocketException)
        {
            // The client went, or the fault dropped it.
        }
        finally
        {
            connection.Dispose();
        }
    }

    /// <summary>One stream of messages from 1 and the connection that gets them. Its lock also orders the writes.</summary>
    private sealed class Mailbox
    {
        private readonly Lock _lock = new();
        private readonly SortedDictionary<long, byte[]> _messages = [];
        private TcpClient? _client;

        public long Top { get; private set; }

        public long Append(byte[] payload, StreamKind stream)
        {
            lock (_lock)
            {
                _messages.Add(++Top, payload);
                SendLocked(payload, Top, stream);
                return Top;
            }
        }

        public void Skip()
        {
            lock (_lock)
                Top++;
        }

        public void Send(byte[] payload, long seq, StreamKind stream)
        {
            lock (_lock)
                SendLocked(payload, seq, stream);
        }

        public void Attach(TcpClient client, long position, long broadcastTop)
        {
            lock (_lock)
            {
                _client = client;
                var output = new ArrayBufferWriter<byte>();
                new LoginOkMessage(ScriptedConnection.Settings(8, 20, 60),
                    [new BindResult(ReasonCode.Ok, 0, new StreamPosition(1, position), new StreamPosition(1, broadcastTop))]).Write(output);
                Write(output.WrittenSpan);
                foreach (var (seq, payload) in _messages.Where(pair => pair.Key > position))
                    SendLocked(payload, seq, StreamKind.Mailbox);
            }
        }

        public void Drop()
        {
            lock (_lock)
            {
                _client?.Dispose();
                _client = null;
            }
        }

        private void SendLocked(byte[] payload, long seq, StreamKind stream)
        {
            var output = new ArrayBufferWriter<byte>();
            new PushMessage { AppIndex = 0, Stream = stream, Seq = seq, Kind = PayloadKind.Text, Payload = payload }.Write(output);
            Write(output.WrittenSpan);
        }

        private void Write(ReadOnlySpan<byte> bytes)
        {
            try
            {
                _client?.Client.Send(bytes);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                _client = null;
            }
        }
    }
}
