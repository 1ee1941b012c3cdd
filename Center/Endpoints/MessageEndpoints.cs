using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Bodies;
using PushSystem.Center.Delivery;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>
/// POST /v1/messages and /v1/messages/batch. A stored message is appended first; its way to the room begins behind that and nobody
/// waits for it. Stateless; any thread.
/// </summary>
internal sealed class MessageEndpoints(
    RequestPipeline pipeline, [FromKeyedServices(BoundedStores.Key)] IMailboxes mailboxes, DeliveryQueue delivery, TransientDelivery transient, CenterOptions options,
    CenterMetrics metrics, TimeProvider time)
{
    public Task SendAsync(HttpContext http, AppRecord app) => SendAsync(http, app, isBatch: false);

    public Task SendBatchAsync(HttpContext http, AppRecord app) => SendAsync(http, app, isBatch: true);

    private async Task SendAsync(HttpContext http, AppRecord app, bool isBatch)
    {
        var key = IdempotencyKey.Read(http.Request);
        ParsedMessages parsed;
        byte[] fingerprint = [];
        using (var body = await pipeline.ReadBodyAsync(http, isBatch ? options.MaxBatchBodyBytes : RequestPipeline.SingleBody))
        {
            parsed = isBatch ? MessageParser.ReadBatch(body.Bytes.Span, app.Limits) : MessageParser.ReadOne(body.Bytes.Span, app.Limits);
            if (key is not null)
                fingerprint = IdempotencyKey.Fingerprint(http.Request, body.Bytes.Span);
        }
        var level = parsed.Level ?? options.DefaultLevel;
        if (level == Durability.Transient)
        {
            var answer = await pipeline.RunOnceAsync(
                http, app.Id, key, fingerprint, () => SendTransientAsync(app.Id, parsed.Messages, isBatch, http.RequestAborted));
            await RequestPipeline.SendAsync(http, answer);
            return;
        }
        if (!mailboxes.Levels.Contains(level))
            throw Problems.LevelUnavailable(level, mailboxes.Levels);
        await SendStoredAsync(http, app.Id, level, parsed.Messages, key is null ? null : new IdempotencyClaim(key, fingerprint), isBatch);
    }

    private async Task SendStoredAsync(
        HttpContext http, string app, Durability level, IReadOnlyList<MessageDraft> messages, IdempotencyClaim? claim, bool isBatch)
    {
        var started = time.GetTimestamp();
        // Not cancelled with its request: the sender's going away must not keep an accepted message from its room.
        var reply = await mailboxes.AppendAsync(new AppendRequest(app, level, messages, claim), CancellationToken.None);
        switch (reply.Status)
        {
            case WriteStatus.Stored:
                break;
            case WriteStatus.Replayed:
                metrics.Replayed();
                http.Response.Headers[IdempotencyKey.ReplayedHeader] = "true";
                break;
            case WriteStatus.Conflict:
                throw Problems.IdempotencyConflict();
            case WriteStatus.Overloaded:
                throw Problems.Overloaded();
            default:
                throw Problems.LevelUnavailable(level, mailboxes.Levels);
        }
        if (reply.Status == WriteStatus.Stored)
        {
            metrics.Accepted(level, messages.Count, time.GetElapsedTime(started));
            for (var i = 0; i < messages.Count; i++)
            {
                var (message, result) = (messages[i], reply.Results[i]);
                delivery.Offer(new DeliverItem(
                    new UserKey(app, message.User), 0, result.Epoch, result.Seq, message.Kind, result.ExpiresAt, message.Payload));
            }
        }
        using var json = JsonReply.Rent();
        if (isBatch)
            WriteBatch(json.Writer, level, messages, reply.Results);
        else
            WriteSingle(json.Writer, level, messages[0].User, reply.Results[0]);
        await JsonReply.SendAsync(http.Response, StatusCodes.Status202Accepted, json.Bytes);
    }

    private async ValueTask<ApiAnswer> SendTransientAsync(
        string app, IReadOnlyList<MessageDraft> messages, bool isBatch, CancellationToken cancellationToken)
    {
        var delivered = await transient.DeliverAsync(app, messages, cancellationToken);
        using var json = JsonReply.Rent();
        var writer = json.Writer;
        writer.WriteStartObject();
        if (isBatch)
        {
            writer.WriteString("level"u8, "transient"u8);
            writer.WriteNumber("count"u8, messages.Count);
            writer.WriteStartArray("messages"u8);
            for (var i = 0; i < messages.Count; i++)
            {
                writer.WriteStartObject();
                writer.WriteString("user"u8, messages[i].User);
                writer.WriteBoolean("delivered"u8, delivered[i]);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        }
        else
        {
            writer.WriteString("user"u8, messages[0].User);
            writer.WriteString("level"u8, "transient"u8);
            writer.WriteBoolean("delivered"u8, delivered[0]);
        }
        writer.WriteEndObject();
        return new ApiAnswer(StatusCodes.Status200OK, json.Bytes.ToArray());
    }

    private static void WriteSingle(Utf8JsonWriter writer, Durability level, string user, AppendResult result)
    {
        Span<byte> id = stackalloc byte[StreamId.MaxLength];
        var length = new StreamId(result.Epoch, result.Seq).Format(StreamId.Message, id);
        writer.WriteStartObject();
        writer.WriteString("id"u8, id[..length]);
        writer.WriteString("user"u8, user);
        writer.WriteString("level"u8, LevelNames.Of(level));
        writer.WriteString("acceptedAt"u8, Times.At(result.AcceptedAt));
        if (result.ExpiresAt != 0)
            writer.WriteString("expiresAt"u8, Times.At(result.ExpiresAt));
        writer.WriteString("state"u8, "accepted"u8);
        writer.WriteEndObject();
    }

    private static void WriteBatch(
        Utf8JsonWriter writer, Durability level, IReadOnlyList<MessageDraft> messages, IReadOnlyList<AppendResult> results)
    {
        Span<byte> id = stackalloc byte[StreamId.MaxLength];
        writer.WriteStartObject();
        writer.WriteString("level"u8, LevelNames.Of(level));
        writer.WriteNumber("count"u8, messages.Count);
        writer.WriteStartArray("messages"u8);
        for (var i = 0; i < messages.Count; i++)
        {
            var length = new StreamId(results[i].Epoch, results[i].Seq).Format(StreamId.Message, id);
            writer.WriteStartObject();
            writer.WriteString("user"u8, messages[i].User);
            writer.WriteString("id"u8, id[..length]);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
