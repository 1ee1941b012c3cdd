using PushSystem.Contracts;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Redis;

/// <summary>Checks what callers want to append. Pure.</summary>
internal static class DraftCheck
{
    /// <summary>A copy whose memory the caller does not own. Throws <see cref="ArgumentException"/> naming the message and the field.</summary>
    public static StoredDraft Check(MessageDraft draft, AppLimits limits, int index)
    {
        try
        {
            StoredText.CheckUser(draft.User);
            if (draft.Payload.Length > limits.MailboxBytes)
            {
                throw new ArgumentException(
                    $"payload: {draft.Payload.Length} bytes, the app's limit mailboxBytes is {limits.MailboxBytes}");
            }
            return new StoredDraft(
                draft.User, draft.Kind, StoredText.TimeToLive(draft.TimeToLive, limits), StoredText.Payload(draft.Payload, limits));
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException($"messages[{index}].{exception.Message}", exception);
        }
    }
}
