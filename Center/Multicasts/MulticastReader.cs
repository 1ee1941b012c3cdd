using System.Buffers;
using System.Text.Json;
using PushSystem.Center.Bodies;
using PushSystem.Center.Endpoints;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// Reads a multicast's body piece by piece, however it is cut, and puts its users into the spool.
/// Holds no bytes of the body; one request uses it.
/// </summary>
internal abstract class MulticastReader(AppLimits limits, MulticastUsers users)
{
    public MulticastMembers Members { get; } = new(limits);

    /// <summary>Nothing that may still come changes anything but the users.</summary>
    public abstract bool IsCertain { get; }

    protected MulticastUsers Users => users;

    /// <summary>
    /// Reads what can be read of the bytes that have not been read yet and returns how many that is; with <paramref name="isFinal"/>, all.
    /// Throws the problem to answer with, or <see cref="JsonException"/>.
    /// </summary>
    public abstract long Read(in ReadOnlySequence<byte> buffer, bool isFinal);
}

/// <summary>One JSON object whose members come in any order.</summary>
internal sealed class MulticastJsonReader(AppLimits limits, MulticastUsers users) : MulticastReader(limits, users)
{
    // Longer than any entry; white space between two of them is bounded by it too.
    private const int MaxEntryBytes = 64 * 1024;

    private JsonReaderState _state;
    private Phase _phase;
    private long _position;
    // A member that is not complete is looked at again only when there is twice as much of it, so that dripping bytes cost no more.
    private long _wanted;

    private enum Phase
    {
        Start,
        Members,
        Users,
        End,
    }

    public override bool IsCertain => Members.IsCertain;

    public override long Read(in ReadOnlySequence<byte> buffer, bool isFinal)
    {
        if (buffer.Length < _wanted && !isFinal)
            return 0;
        _wanted = 0;
        var reader = new Utf8JsonReader(buffer, isFinal, _state);
        // Where the next call goes on: behind the last whole piece.
        var (state, consumed) = (_state, 0L);
        while (ReadPiece(ref reader, buffer, isFinal))
            (state, consumed) = (reader.CurrentState, reader.BytesConsumed);
        if (_phase is Phase.Users or Phase.End)
            (state, consumed) = (reader.CurrentState, reader.BytesConsumed);
        if (isFinal && _phase != Phase.End)
            throw new InvalidOperationException("The reader of JSON did not notice the body's end.");
        _state = state;
        _position += consumed;
        CheckRest(buffer, consumed);
        return consumed;
    }

    private bool ReadPiece(ref Utf8JsonReader reader, in ReadOnlySequence<byte> buffer, bool isFinal)
    {
        if (!reader.Read())
            return false;
        switch (_phase)
        {
            case Phase.Start:
                if (reader.TokenType != JsonTokenType.StartObject)
                    throw Problems.Invalid("", "The body must be a JSON object.", "an object");
                _phase = Phase.Members;
                return true;
            case Phase.Members when reader.TokenType == JsonTokenType.EndObject:
                _phase = Phase.End;
                return true;
            case Phase.Members:
                return ReadMember(ref reader, buffer);
            case Phase.Users when reader.TokenType == JsonTokenType.EndArray:
                _phase = Phase.Members;
                return true;
            default:
                Users.Add(ref reader);
                return true;
        }
    }

    private bool ReadMember(ref Utf8JsonReader reader, in ReadOnlySequence<byte> buffer)
    {
        var start = reader.TokenStartIndex;
        if (reader.ValueIsEscaped)
            JsonFields.GetString(ref reader, FieldPath.Root, "?");
        if (reader.ValueTextEquals("users"u8))
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType != JsonTokenType.StartArray)
                throw Problems.Invalid("users", "users must be an array.", MulticastUsers.ListLimit);
            Members.BeginUsers();
            _phase = Phase.Users;
            return true;
        }
        if (!reader.Read() || !reader.TrySkip())
            return false;
        Members.Take(buffer.Slice(start, reader.BytesConsumed - start), _position + start);
        return true;
    }

    private void CheckRest(in ReadOnlySequence<byte> buffer, long consumed)
    {
        var rest = buffer.Length - consumed;
        if (_phase == Phase.Users)
        {
            if (rest > MaxEntryBytes)
                throw Users.TooLong();
        }
        else if (rest > RequestPipeline.SingleBody)
        {
            throw Problems.Invalid("", "A member is too long.", $"at most {RequestPipeline.SingleBody} bytes but for users");
        }
        else
        {
            _wanted = rest * 2;
        }
    }
}

/// <summary>Lines: first an object with the members but users, then one user each as a JSON string. Empty lines count for nothing.</summary>
internal sealed class MulticastLineReader(AppLimits limits, MulticastUsers users) : MulticastReader(limits, users)
{
    private const int MaxUserLine = 4 * 1024;

    private bool _hasTask;
    private long _line;

    public override bool IsCertain => _hasTask;

    public override long Read(in ReadOnlySequence<byte> buffer, bool isFinal)
    {
        var reader = new SequenceReader<byte>(buffer);
        while (reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
            ReadLine(line);
        var max = _hasTask ? MaxUserLine : RequestPipeline.SingleBody;
        if (reader.Remaining > max)
            throw _hasTask ? Users.TooLong() : Problems.Invalid("", "The first line is too long.", $"at most {max} bytes");
        if (!isFinal)
            return reader.Consumed;
        ReadLine(reader.UnreadSequence);
        if (!_hasTask)
            throw Problems.Missing("text", "The first line is missing: an object with the payload.");
        Members.BeginUsers();
        return buffer.Length;
    }

    private void ReadLine(in ReadOnlySequence<byte> line)
    {
        if (_hasTask && line.Length > MaxUserLine)
            throw Users.TooLong();
        var reader = new Utf8JsonReader(line, isFinalBlock: true, default);
        try
        {
            if (IsBlank(line))
                return;
            reader.Read();
            if (_hasTask)
                Users.Add(ref reader);
            else
                ReadTask(ref reader, line);
            if (reader.Read())
                throw Problems.Invalid(Users.Field, "A line must hold one value.", "one JSON value");
        }
        catch (JsonException exception)
        {
            throw new JsonException(exception.Message, exception.Path, _line, exception.BytePositionInLine);
        }
        finally
        {
            _line++;
        }
    }

    private void ReadTask(ref Utf8JsonReader reader, in ReadOnlySequence<byte> line)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Problems.Invalid("", "The first line must be a JSON object.", "an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var start = reader.TokenStartIndex;
            if (reader.ValueIsEscaped)
                JsonFields.GetString(ref reader, FieldPath.Root, "?");
            if (reader.ValueTextEquals("users"u8))
                throw Problems.Invalid("users", "The users follow line by line.", "not in the first line");
            reader.Read();
            reader.Skip();
            Members.Take(line.Slice(start, reader.BytesConsumed - start), start);
        }
        _hasTask = true;
    }

    private static bool IsBlank(in ReadOnlySequence<byte> line)
    {
        foreach (var piece in line)
        {
            if (piece.Span.ContainsAnyExcept(" \t\r"u8))
                return false;
        }
        return true;
    }
}
