using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using PushSystem.Center.Bodies;
using PushSystem.Protocol;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// The recipients of one multicast while they arrive: each checked, each once.
/// Owns set and spool; one request uses and disposes it.
/// </summary>
internal sealed class MulticastUsers(BodyBudget budget) : IDisposable
{
    /// <summary>Most entries of a list.</summary>
    public const int MaxUsers = 1_000_000;

    public static readonly string ListLimit = $"1 to {MaxUsers} users";

    private static readonly string UserLimit = JsonFields.TextLimit(1, ProtocolLimits.MaxUserBytes);

    private readonly UserSet _set = new(budget);

    /// <summary>Distinct users that wait to be stored.</summary>
    public UserSpool Spool { get; } = new(budget);

    /// <summary>Entries so far, those given twice included.</summary>
    public int Entries { get; private set; }

    /// <summary>Where the next entry lies.</summary>
    public string Field => $"users[{Entries}]";

    /// <summary>Takes the string that the reader stands on. Throws the problem to answer with.</summary>
    public void Add(ref Utf8JsonReader reader)
    {
        if (Entries == MaxUsers)
            throw Problems.Invalid("users", "There are too many users.", ListLimit);
        if (reader.TokenType != JsonTokenType.String)
            throw Problems.Invalid(Field, "A user must be a string.", UserLimit);
        // An escape makes at most six bytes of one; more can be refused unread.
        const int longest = ProtocolLimits.MaxUserBytes * 6;
        var length = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
        if (length > longest)
            throw TooLong();
        Span<byte> bytes = stackalloc byte[longest];
        int written;
        try
        {
            written = reader.CopyString(bytes);
        }
        catch (InvalidOperationException)
        {
            throw Problems.Invalid(Field, "A user is no valid text.", UserLimit);
        }
        var user = bytes[..written];
        Check(user);
        if (_set.Add(user))
            Spool.Add(user);
        Entries++;
    }

    /// <summary>The refusal of an entry that does not end.</summary>
    public Exception TooLong() => Problems.Invalid(Field, "A user is too long.", UserLimit);

    public void Dispose()
    {
        _set.Dispose();
        Spool.Dispose();
    }

    private void Check(ReadOnlySpan<byte> user)
    {
        if (user.Length is > 0 and <= ProtocolLimits.MaxUserBytes && !user.ContainsAnyExceptInRange((byte)' ', (byte)'~'))
            return;
        if (!Utf8.IsValid(user))
            throw Problems.Invalid(Field, "A user is not valid UTF-8.", UserLimit);
        if (JsonFields.CheckText(Encoding.UTF8.GetString(user), 1, ProtocolLimits.MaxUserBytes) is { } fault)
            throw Problems.Invalid(Field, $"A user {fault}.", UserLimit);
    }
}
