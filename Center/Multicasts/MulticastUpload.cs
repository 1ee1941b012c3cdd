using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using PushSystem.Center.Bodies;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// Takes a multicast in: reads its body as it comes, stores its users part by part, and makes it a task when all are there. What is
/// wrong anywhere leaves nothing behind. Stateless; any thread.
/// </summary>
internal sealed class MulticastUpload(
    [FromKeyedServices(BoundedStores.Key)] IMulticasts multicasts, [FromKeyedServices(BoundedStores.Key)] IMailboxes mailboxes,
    BodyBudget budget, CenterOptions options, ILogger<MulticastUpload> logger)
{
    public const string LinesType = "application/x-ndjson";

    // Each part is a commit: a few at once share it.
    private const int PartsAtOnce = 8;

    /// <summary>Reads the request's body to its end. The draft is what was asked for. Throws the problem to answer with.</summary>
    public async ValueTask<(MulticastReply Reply, MulticastDraft Draft)> ReceiveAsync(HttpContext http, AppRecord app)
    {
        var key = IdempotencyKey.Read(http.Request);
        using var users = new MulticastUsers(budget);
        var reader = ReaderFor(http, app.Limits, users);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{http.Request.Method} {http.Request.Path.Value}\n"));
        var list = new StoredList(multicasts);
        try
        {
            await ReadAsync(http, reader, users, hash, app, list);
            var draft = Draft(reader, app);
            if (!reader.Members.HasUsers)
                throw Problems.Missing("users", "The users are missing.");
            if (users.Entries == 0)
                throw Problems.Invalid("users", "users is empty.", MulticastUsers.ListLimit);
            await list.BeginAsync(draft);
            while (users.Spool.Count > 0)
                await list.AddAsync(users.Spool.Take(IMulticasts.MaxPartUsers));
            var claim = key is null ? null : new IdempotencyClaim(key, hash.GetHashAndReset());
            return (await list.SealAsync(claim), draft);
        }
        catch (Exception exception)
        {
            // After a seal whose outcome is unknown this removes nothing that is a task already.
            await DiscardAsync(list, exception);
            throw;
        }
    }

    private MulticastDraft Draft(MulticastReader reader, AppRecord app) => reader.Members.Draft(app.Id, options.DefaultLevel, mailboxes.Levels);

    private async ValueTask ReadAsync(
        HttpContext http, MulticastReader reader, MulticastUsers users, IncrementalHash hash, AppRecord app, StoredList list)
    {
        var body = http.Request.BodyReader;
        var limit = options.MaxMulticastBodyBytes;
        long total = 0;
        while (true)
        {
            var result = await body.ReadAsync(http.RequestAborted);
            var buffer = result.Buffer;
            var consumed = 0L;
            try
            {
                if (total + buffer.Length > limit)
                    throw Problems.BodyTooLarge(limit);
                consumed = reader.Read(buffer, result.IsCompleted);
                foreach (var piece in buffer.Slice(0, consumed))
                    hash.AppendData(piece.Span);
            }
            finally
            {
                body.AdvanceTo(buffer.GetPosition(consumed), buffer.End);
            }
            total += consumed;
            if (result.IsCompleted)
                return;
            // A member that comes later could change all of it, so that storing begins only when none can.
            if (!reader.IsCertain || users.Spool.Count < IMulticasts.MaxPartUsers)
                continue;
            await list.BeginAsync(Draft(reader, app));
            while (users.Spool.Count >= IMulticasts.MaxPartUsers)
                await list.AddAsync(users.Spool.Take(IMulticasts.MaxPartUsers));
        }
    }

    private MulticastReader ReaderFor(HttpContext http, AppLimits limits, MulticastUsers users)
    {
        var request = http.Request;
        if (request.ContentLength > options.MaxMulticastBodyBytes)
            throw Problems.BodyTooLarge(options.MaxMulticastBodyBytes);
        if (request.Headers.ContentEncoding is { Count: > 0 } encoding)
            throw Problems.WrongContentEncoding(encoding.ToString());
        // The limit here is exact and has a better answer than the server's.
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = null;
        var isType = MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            && (!type.Charset.HasValue || HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase));
        if (isType && type!.MediaType.Equals(LinesType, StringComparison.OrdinalIgnoreCase))
            return new MulticastLineReader(limits, users);
        if (isType && type!.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            return new MulticastJsonReader(limits, users);
        throw Problems.WrongContentType(request.ContentType);
    }

    private async ValueTask DiscardAsync(StoredList list, Exception cause)
    {
        try
        {
            await list.DiscardAsync();
        }
        catch (Exception exception) when (exception != cause)
        {
            CenterLog.DiscardFailed(logger, exception);
        }
    }

    /// <summary>A list on its way into the store; nothing is there before it begins.</summary>
    private sealed class StoredList(IMulticasts multicasts)
    {
        private readonly Queue<Task> _adding = new();
        private MulticastRecord? _record;
        private int _parts;

        public async ValueTask BeginAsync(MulticastDraft draft) => _record ??= await multicasts.CreateAsync(draft, CancellationToken.None);

        public async ValueTask AddAsync(string[] users)
        {
            _adding.Enqueue(multicasts.AddPartAsync(_record!.App, _record.Id, _parts++, users, CancellationToken.None).AsTask());
            if (_adding.Count >= PartsAtOnce)
                await _adding.Dequeue();
        }

        public async ValueTask<MulticastReply> SealAsync(IdempotencyClaim? claim)
        {
            while (_adding.TryDequeue(out var adding))
                await adding;
            return await multicasts.SealAsync(_record!.App, _record.Id, _parts, claim, CancellationToken.None);
        }

        public async ValueTask DiscardAsync()
        {
            if (_record is null)
                return;
            await Task.WhenAll(_adding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await multicasts.DiscardAsync(_record.App, _record.Id, CancellationToken.None);
        }
    }
}
