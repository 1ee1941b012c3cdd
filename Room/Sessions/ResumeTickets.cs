using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace PushSystem.Room.Sessions;

/// <summary>What a resume ticket leads to.</summary>
internal readonly record struct ResumeTarget(int Shard, ClientRef Client, ulong ConnectionId);

/// <summary>
/// Seals and opens resume tickets with a key that only this process knows, so that a ticket of another room or of an earlier life
/// of this one is never accepted. Any thread; nothing needs disposal. Bytes, big endian:
/// <code>version 1 · shard 2 · slot 4 · generation 4 · connection id 8 · expiry Unix s 8 · HMAC-SHA256 cut to 16</code>
/// </summary>
internal sealed class ResumeTickets
{
    public const int Size = BodySize + MacSize;
    private const byte Version = 1;
    private const int BodySize = 27, MacSize = 16;
    private const int ShardAt = 1, SlotAt = 3, GenerationAt = 7, ConnectionAt = 11, ExpiryAt = 19;

    private readonly byte[] _key;
    private readonly TimeProvider _time;
    private readonly TimeSpan _lifetime;

    public ResumeTickets(RoomIdentity identity, TimeProvider time, TimeSpan lifetime)
    {
        _time = time;
        _lifetime = lifetime;
        // The identity is part of the key, so that even a key that repeated could not be used by another incarnation.
        var node = Encoding.UTF8.GetBytes(identity.NodeId);
        var input = new byte[32 + 8 + node.Length];
        RandomNumberGenerator.Fill(input.AsSpan(0, 32));
        BinaryPrimitives.WriteInt64BigEndian(input.AsSpan(32), identity.Incarnation);
        node.CopyTo(input, 40);
        _key = SHA256.HashData(input);
    }

    public byte[] Seal(ResumeTarget target)
    {
        var ticket = new byte[Size];
        ticket[0] = Version;
        BinaryPrimitives.WriteUInt16BigEndian(ticket.AsSpan(ShardAt), (ushort)target.Shard);
        BinaryPrimitives.WriteInt32BigEndian(ticket.AsSpan(SlotAt), target.Client.Slot);
        BinaryPrimitives.WriteUInt32BigEndian(ticket.AsSpan(GenerationAt), target.Client.Generation);
        BinaryPrimitives.WriteUInt64BigEndian(ticket.AsSpan(ConnectionAt), target.ConnectionId);
        BinaryPrimitives.WriteInt64BigEndian(ticket.AsSpan(ExpiryAt), (_time.GetUtcNow() + _lifetime).ToUnixTimeSeconds());
        Mac(ticket.AsSpan(0, BodySize), ticket.AsSpan(BodySize));
        return ticket;
    }

    /// <summary>False: not one of ours, or its time is over. The MAC is compared in constant time before anything is believed.</summary>
    public bool TryOpen(ReadOnlySpan<byte> ticket, out ResumeTarget target)
    {
        target = default;
        if (ticket.Length != Size || ticket[0] != Version)
            return false;
        Span<byte> mac = stackalloc byte[MacSize];
        Mac(ticket[..BodySize], mac);
        if (!CryptographicOperations.FixedTimeEquals(mac, ticket[BodySize..]))
            return false;
        if (BinaryPrimitives.ReadInt64BigEndian(ticket[ExpiryAt..]) <= _time.GetUtcNow().ToUnixTimeSeconds())
            return false;
        target = new ResumeTarget(
            BinaryPrimitives.ReadUInt16BigEndian(ticket[ShardAt..]),
            new ClientRef(BinaryPrimitives.ReadInt32BigEndian(ticket[SlotAt..]), BinaryPrimitives.ReadUInt32BigEndian(ticket[GenerationAt..])),
            BinaryPrimitives.ReadUInt64BigEndian(ticket[ConnectionAt..]));
        return true;
    }

    private void Mac(ReadOnlySpan<byte> body, Span<byte> destination)
    {
        Span<byte> full = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, body, full);
        full[..MacSize].CopyTo(destination);
    }
}
