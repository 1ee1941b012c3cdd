namespace PushSystem.Contracts;

/// <summary>What every directory of apps demands of a record before it stores it. Pure.</summary>
public static class AppRecordCheck
{
    private const int MaxIdLength = 64;
    private const int HashLength = 32;
    private const int MaxTicketKeys = 2;

    /// <summary>Throws <see cref="ArgumentException"/> that names the field and the limit.</summary>
    public static void Validate(AppRecord app)
    {
        if (app.Id.Length is 0 or > MaxIdLength || !IsLetterOrDigit(app.Id[0])
            || app.Id.Any(character => !IsLetterOrDigit(character) && character is not ('-' or '_' or '.')))
        {
            throw new ArgumentException(
                $"id: '{app.Id}' must be 1 to {MaxIdLength} characters of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit");
        }
        if (app.TicketKeys.Count > MaxTicketKeys)
            throw new ArgumentException($"ticketKeys: {app.TicketKeys.Count} keys, at most {MaxTicketKeys} are allowed");
        foreach (var key in app.ApiKeys)
        {
            if (key.Hash.Length != HashLength)
                throw new ArgumentException($"apiKeys: the hash of '{key.Id}' has {key.Hash.Length} bytes, it must have {HashLength}");
        }
        var limits = app.Limits;
        Positive(limits.MailboxMessages, "mailboxMessages");
        Positive(limits.MailboxBytes, "mailboxBytes");
        Positive(limits.MailboxAge.Ticks, "mailboxAge");
        Positive(limits.PayloadBytes, "payloadBytes");
        Positive(limits.DeliveryAttempts, "deliveryAttempts");
        Positive(limits.EventCount, "eventCount");
        Positive(limits.EventBytes, "eventBytes");
    }

    private static bool IsLetterOrDigit(char character) => character is (>= 'a' and <= 'z') or (>= '0' and <= '9');

    private static void Positive(long value, string name)
    {
        if (value <= 0)
            throw new ArgumentException($"limits.{name}: {value} must be at least 1");
    }
}
