using System.Text;
using PushSystem.Loadtest.Checks;

namespace PushSystem.Loadtest.Api;

/// <summary>
/// Builds request bodies into one array that is used again and again: users and payloads are plain ASCII without anything to
/// escape, which the options check. Used by one sender.
/// </summary>
internal sealed class MessageBody(string userPrefix, int offset, string level, int payloadBytes, int mostMessages)
{
    private readonly byte[] _bytes = new byte[64 + level.Length + (mostMessages * (payloadBytes + 96))];
    private readonly byte[] _prefix = Encoding.ASCII.GetBytes(userPrefix);
    private readonly byte[] _level = Encoding.ASCII.GetBytes($"\"level\":\"{level}\"");
    private int _length;
    private int _count;

    /// <summary>Begins a batch.</summary>
    public void BeginBatch()
    {
        (_length, _count) = (0, 0);
        Append("{"u8);
        Append(_level);
        Append(",\"messages\":["u8);
    }

    /// <summary>One more message of the batch.</summary>
    public void Add(int user, in PayloadStamp stamp)
    {
        if (_count++ > 0)
            Append(","u8);
        Append("{"u8);
        Message(user, stamp);
        Append("}"u8);
    }

    /// <summary>The batch, valid until the next one begins.</summary>
    public ReadOnlyMemory<byte> EndBatch()
    {
        Append("]}"u8);
        return _bytes.AsMemory(0, _length);
    }

    /// <summary>A body with a single message.</summary>
    public ReadOnlyMemory<byte> Single(int user, in PayloadStamp stamp)
    {
        _length = 0;
        Append("{"u8);
        Message(user, stamp);
        Append(","u8);
        Append(_level);
        Append("}"u8);
        return _bytes.AsMemory(0, _length);
    }

    /// <summary>A broadcast; rate in persons per second, 0 = unlimited.</summary>
    public ReadOnlyMemory<byte> Broadcast(in PayloadStamp stamp, int ratePerSecond)
    {
        _length = 0;
        Append("{"u8);
        Text(stamp);
        Append(",\"ratePerSecond\":"u8);
        Number(ratePerSecond);
        Append("}"u8);
        return _bytes.AsMemory(0, _length);
    }

    private void Message(int user, in PayloadStamp stamp)
    {
        Append("\"user\":\""u8);
        Append(_prefix);
        Number(offset + user);
        Append("\","u8);
        Text(stamp);
    }

    private void Text(in PayloadStamp stamp)
    {
        Append("\"text\":\""u8);
        stamp.Write(_bytes.AsSpan(_length, payloadBytes));
        _length += payloadBytes;
        Append("\""u8);
    }

    private void Number(int value)
    {
        System.Buffers.Text.Utf8Formatter.TryFormat(value, _bytes.AsSpan(_length), out var written);
        _length += written;
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += bytes.Length;
    }
}
