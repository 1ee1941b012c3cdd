using System.Buffers.Binary;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Broadcasts;

namespace PushSystem.Saver.MySql;

/// <summary>
/// What readers need of one app's broadcast log at one version; immutable. Counts, rates and payloads are not in it. Written as: format
/// (1 byte), epoch (4), version, first, top, released (8 each), then 22 bytes per entry: state, kind, payload bytes, accepted at, expires at.
/// Little-endian.
/// </summary>
internal sealed record LogView(long Version, LogState State)
{
    private const byte Format = 1;
    private const int HeaderBytes = 37;
    private const int EntryBytes = 22;

    public BroadcastEnds Ends => new(State.Epoch, State.Top, State.Released);

    public byte[] Write()
    {
        var bytes = new byte[HeaderBytes + (State.Entries.Length * EntryBytes)];
        bytes[0] = Format;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(1), State.Epoch);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(5), Version);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(13), State.FirstSeq);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(21), State.Top);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(29), State.Released);
        var at = bytes.AsSpan(HeaderBytes);
        foreach (var entry in State.Entries)
        {
            var record = entry.Record.Committed;
            at[0] = (byte)record.State;
            at[1] = (byte)record.Kind;
            BinaryPrimitives.WriteInt32LittleEndian(at[2..], record.PayloadBytes);
            BinaryPrimitives.WriteInt64LittleEndian(at[6..], record.AcceptedAt);
            BinaryPrimitives.WriteInt64LittleEndian(at[14..], record.ExpiresAt);
            at = at[EntryBytes..];
        }
        return bytes;
    }

    /// <summary>Null when the bytes are not a view, or one of a format that this program does not know.</summary>
    public static LogView? Read(string app, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderBytes || bytes[0] != Format)
            return null;
        var epoch = BinaryPrimitives.ReadUInt32LittleEndian(bytes[1..]);
        var version = BinaryPrimitives.ReadInt64LittleEndian(bytes[5..]);
        var first = BinaryPrimitives.ReadInt64LittleEndian(bytes[13..]);
        var top = BinaryPrimitives.ReadInt64LittleEndian(bytes[21..]);
        var released = BinaryPrimitives.ReadInt64LittleEndian(bytes[29..]);
        var rest = bytes[HeaderBytes..];
        if (rest.Length % EntryBytes != 0 || first < 1 || top != first - 1 + (rest.Length / EntryBytes) || released > top || released < first - 1)
            return null;
        var records = new List<BroadcastRecord>(rest.Length / EntryBytes);
        for (var seq = first; seq <= top; seq++)
        {
            records.Add(new BroadcastRecord
            {
                App = app,
                Epoch = epoch,
                Seq = seq,
                State = (TaskState)rest[0],
                Kind = (PayloadKind)rest[1],
                PayloadBytes = BinaryPrimitives.ReadInt32LittleEndian(rest[2..]),
                RatePerSecond = 0,
                AcceptedAt = BinaryPrimitives.ReadInt64LittleEndian(rest[6..]),
                ExpiresAt = BinaryPrimitives.ReadInt64LittleEndian(rest[14..]),
            });
            rest = rest[EntryBytes..];
        }
        return Of(version, epoch, first, records);
    }

    /// <summary>The view of entries that follow each other from <paramref name="first"/> on.</summary>
    public static LogView Of(long version, uint epoch, long first, IReadOnlyList<BroadcastRecord> records)
    {
        var state = new LogState
        {
            Epoch = epoch,
            FirstSeq = first,
            Top = first - 1 + records.Count,
            Entries = [.. records.Select(record => new BroadcastEntry(record, hasPayload: false))],
        };
        return new LogView(version, state with { Released = state.CountReleased(0) });
    }
}
