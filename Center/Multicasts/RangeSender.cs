using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PushSystem.Center.Delivery;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// Puts a multicast into the mailboxes of one range of a part's users and on its way to their rooms. Stateless; any thread.
/// </summary>
internal sealed class RangeSender(
    [FromKeyedServices(BoundedStores.Key)] IMailboxes mailboxes, SessionRouter router, DeliveryQueue delivery, CenterMetrics metrics,
    TimeProvider time, ILogger<RangeSender> logger)
{
    /// <summary>
    /// Users of one append. Fixed for good: a range that a dead center has done half is done again by another one under the same key,
    /// and only the same range is recognised.
    /// </summary>
    public const int RangeUsers = 100;

    /// <summary>The end of the range that begins at the cursor.</summary>
    public static int EndOf(int cursor, int count) => Math.Min(count, (cursor / RangeUsers + 1) * RangeUsers);

    /// <summary>
    /// Sends to the users from one index to another. Null: the store has no room, nothing was changed. Throws what the mailboxes throw.
    /// </summary>
    public async ValueTask<RangeResult?> SendAsync(
        Subtask subtask, ReadOnlyMemory<byte> payload, int from, int to, CancellationToken cancellationToken)
    {
        var task = subtask.Task;
        var started = time.GetTimestamp();
        TimeSpan? timeToLive = task.ExpiresAt == 0
            ? null
            : TimeSpan.FromMilliseconds(Math.Max(1, task.ExpiresAt - time.GetUtcNow().ToUnixTimeMilliseconds()));
        var drafts = new MessageDraft[to - from];
        for (var i = 0; i < drafts.Length; i++)
            drafts[i] = new MessageDraft(subtask.Users[from + i], task.Kind, payload, timeToLive);
        AppendReply reply;
        try
        {
            reply = await mailboxes.AppendAsync(new AppendRequest(task.App, task.Level, drafts, Claim(subtask, from, to)), CancellationToken.None);
        }
        catch (ArgumentException exception)
        {
            // The app's bounds may have shrunk since; asking again would give the same answer.
            CenterLog.RangeRefused(logger, exception, task.App, task.Id, subtask.Part, from, drafts.Length);
            return new RangeResult(0, drafts.Length, 0);
        }
        switch (reply.Status)
        {
            case WriteStatus.Stored:
                metrics.Accepted(task.Level, drafts.Length, time.GetElapsedTime(started));
                break;
            case WriteStatus.Replayed:
                // Whoever did it may have died before the rooms heard of it.
                break;
            case WriteStatus.Conflict:
                CenterLog.RangeRefused(logger, null, task.App, task.Id, subtask.Part, from, drafts.Length);
                return new RangeResult(0, drafts.Length, 0);
            default:
                return null;
        }
        return new RangeResult(drafts.Length, 0, await HandOnAsync(task.App, drafts, reply.Results, cancellationToken));
    }

    // Not printable ASCII, so that no business's key meets it; with the time, because a store that was made anew counts anew.
    private static IdempotencyClaim Claim(Subtask subtask, int from, int to)
    {
        var key = string.Create(
            CultureInfo.InvariantCulture, $"\u00a7t{subtask.Task.Id}@{subtask.Task.AcceptedAt}/{subtask.Part}/{from}-{to}");
        return new IdempotencyClaim(key, SHA256.HashData(Encoding.UTF8.GetBytes(key)));
    }

    /// <summary>Gives the messages to the lanes of their rooms; says how many users are online.</summary>
    private async ValueTask<int> HandOnAsync(
        string app, MessageDraft[] drafts, IReadOnlyList<AppendResult> results, CancellationToken cancellationToken)
    {
        var items = new DeliverItem[drafts.Length];
        for (var i = 0; i < items.Length; i++)
        {
            var (draft, result) = (drafts[i], results[i]);
            items[i] = new DeliverItem(new UserKey(app, draft.User), 0, result.Epoch, result.Seq, draft.Kind, result.ExpiresAt, draft.Payload);
        }
        IReadOnlyList<SessionEntry?> entries;
        try
        {
            entries = await router.LookupAsync([.. items.Select(item => item.Key)], cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            CenterLog.LookupFailed(logger, exception, items.Length);
            metrics.Hints("failed", items.Length);
            return 0;
        }
        var online = 0;
        for (var i = 0; i < items.Length; i++)
        {
            if (entries[i] is not { } entry || router.IsVoid(entry))
                continue;
            online++;
            delivery.Route(RoutedItem.To(entry, items[i], retried: false));
        }
        if (online < items.Length)
            metrics.Hints("offline", items.Length - online);
        return online;
    }
}

/// <summary>Users whose mailbox has the message, whose mailbox refused it, and of the first those who are online.</summary>
internal readonly record struct RangeResult(int Accepted, int Refused, int Online);
