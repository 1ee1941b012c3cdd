using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Mailboxes;

/// <summary>
/// Gathers the entries of one read in order; neighbouring gaps of one reason become one entry. One thread, one read.
/// </summary>
internal sealed class StreamEntries
{
    private readonly List<StreamEntry> _entries = [];
    private ResetReason _gap;
    private long _gapTo;
    private int _messages;
    private long _bytes;

    /// <summary>Nothing up to and including <paramref name="seq"/> will come.</summary>
    public void AddGap(long seq, ResetReason reason)
    {
        if (_gap != ResetReason.None && _gap != reason)
            CloseGap();
        (_gap, _gapTo) = (reason, seq);
    }

    /// <summary>True when one more message is within the bounds; the first always is.</summary>
    public bool HasRoom(int payloadBytes, int maxMessages, int maxBytes) =>
        _messages == 0 || (_messages < maxMessages && _bytes + payloadBytes <= maxBytes);

    public void AddMessage(long seq, PayloadKind kind, long acceptedAt, long expiresAt, ReadOnlyMemory<byte> payload)
    {
        CloseGap();
        _entries.Add(new StreamEntry(seq, ResetReason.None, kind, acceptedAt, expiresAt, payload));
        _messages++;
        _bytes += payload.Length;
    }

    public IReadOnlyList<StreamEntry> Finish()
    {
        CloseGap();
        return _entries;
    }

    private void CloseGap()
    {
        if (_gap == ResetReason.None)
            return;
        _entries.Add(new StreamEntry(_gapTo, _gap, PayloadKind.Binary, 0, 0, ReadOnlyMemory<byte>.Empty));
        _gap = ResetReason.None;
    }
}
