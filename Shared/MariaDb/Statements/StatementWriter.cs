using System.Buffers;

namespace PushSystem.MariaDb.Statements;

/// <summary>
/// Puts parameters into a command's text. It knows quotes, names in backticks and comments, so that an @ inside of them stays as it is.
/// A literal with a backslash beside parameters is refused, because where it ends depends on the server's sql_mode. Pure.
/// </summary>
internal static class StatementWriter
{
    // The words that a statement which leaves the session as it was may begin with.
    private static readonly HashSet<string> Harmless = new(StringComparer.OrdinalIgnoreCase)
    {
        "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "VALUES", "COMMIT", "ROLLBACK", "START", "BEGIN", "SAVEPOINT", "RELEASE",
        "SHOW", "EXPLAIN", "ANALYZE", "TRUNCATE", "ALTER", "DROP", "DO",
    };

    private static readonly SearchValues<char> Special = SearchValues.Create("'\"`@#-/;");

    /// <summary>
    /// Writes the statement. True: it may change the session's settings. Throws <see cref="InvalidOperationException"/> naming a missing
    /// parameter.
    /// </summary>
    public static bool Write(StatementBuffer buffer, ReadOnlySpan<char> text, MariaDbParameterCollection parameters, bool userVariables)
    {
        var changes = false;
        var atStart = true;
        for (var at = 0; at < text.Length;)
        {
            var rest = text[at..];
            var first = rest[0];
            int length;
            if (first is '\'' or '"')
            {
                length = Quoted(rest, first, parameters.Count > 0, ref changes);
            }
            else if (first == '`')
            {
                length = Backticks(rest);
            }
            else if (Comment(rest) is var comment and > 0)
            {
                length = comment;
                // What stands in /*! */ and /*M! */ is carried out.
                changes |= rest.StartsWith("/*!") || rest.StartsWith("/*M!");
            }
            else if (first == '@')
            {
                at += Variable(buffer, rest, parameters, userVariables, ref changes);
                continue;
            }
            else if (IsWord(first))
            {
                length = Word(rest);
                var word = rest[..length];
                changes |= (atStart && !Harmless.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word))
                    || word.Equals("GET_LOCK", StringComparison.OrdinalIgnoreCase);
                atStart = false;
            }
            else
            {
                length = 1;
                if (first == ';')
                    atStart = true;
                // A run of anything else goes in one piece.
                while (length < rest.Length && !Special.Contains(rest[length]) && !IsWord(rest[length]))
                    length++;
            }
            buffer.WriteText(rest[..length]);
            at += length;
        }
        return changes;
    }

    private static bool IsWord(char one) => char.IsAsciiLetterOrDigit(one) || one is '_' or '$' || one >= 0x80;

    private static int Word(ReadOnlySpan<char> text)
    {
        var length = 1;
        while (length < text.Length && IsWord(text[length]))
            length++;
        return length;
    }

    private static int Quoted(ReadOnlySpan<char> text, char quote, bool parameters, ref bool changes)
    {
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                if (parameters)
                {
                    throw new InvalidOperationException(
                        "The command has parameters and a literal with a backslash, whose meaning depends on the server's sql_mode. Give that text as a parameter.");
                }
                // Where the literal ends is not known here: the rest is not looked at.
                changes = true;
                return text.Length;
            }
            if (text[i] != quote)
                continue;
            if (i + 1 < text.Length && text[i + 1] == quote)
                i++;
            else
                return i + 1;
        }
        return text.Length;
    }

    private static int Backticks(ReadOnlySpan<char> text) => text[1..].IndexOf('`') is var end and >= 0 ? end + 2 : text.Length;

    /// <summary>Length of the comment that the text begins with, 0 when it does not.</summary>
    private static int Comment(ReadOnlySpan<char> text)
    {
        if (text[0] == '#' || (text.StartsWith("--") && (text.Length == 2 || text[2] <= ' ')))
            return text.IndexOf('\n') is var end and >= 0 ? end + 1 : text.Length;
        if (!text.StartsWith("/*"))
            return 0;
        return text[2..].IndexOf("*/") is var close and >= 0 ? close + 4 : text.Length;
    }

    private static int Variable(
        StatementBuffer buffer, ReadOnlySpan<char> text, MariaDbParameterCollection parameters, bool userVariables, ref bool changes)
    {
        // "@@name" is a variable of the server, "'user'@'host'" an account.
        if (text.Length == 1 || text[1] == '@' || !IsWord(text[1]))
        {
            var length = text.Length > 1 && text[1] == '@' ? 2 : 1;
            changes |= length == 1;
            buffer.WriteText(text[..length]);
            return length;
        }
        var name = text.Slice(1, Word(text[1..]));
        if (parameters.Find(name) is { } parameter)
        {
            try
            {
                Literal.Write(buffer, parameter.Value);
            }
            catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
            {
                throw new ArgumentException($"Parameter @{name}: {exception.Message}", exception);
            }
        }
        else if (userVariables)
        {
            changes = true;
            buffer.WriteText(text[..(name.Length + 1)]);
        }
        else
        {
            throw new InvalidOperationException(
                $"The command names @{name}, but has no such parameter. For a variable of the session set Allow User Variables.");
        }
        return name.Length + 1;
    }
}
