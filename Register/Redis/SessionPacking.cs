using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Register.Redis;

/// <summary>
/// How users and entries lie in redis. Pure.
/// <code>
/// field  length of app, +128 when the user is a UUID in 16 bytes · app · user
/// value  version 1 · generation 7 bytes big-endian · tail
/// tail   length · home · length · connection little-endian without upper zeros · bound at 6 bytes big-endian · device · address
/// home   incarnation 8 bytes big-endian without upper zeros, after their number · room
/// device length · text, or 255 · UUID in 16 bytes
/// address  length · text, or 254 · IPv4 · port, or 255 · IPv6 · port (2 bytes big-endian)
/// </code>
/// Scripts read version, generation and home, and compare the tail's beginning (home and connection) as it is.
/// </summary>
internal static class SessionPacking
{
    /// <summary>Longest device and address, UTF-8.</summary>
    public const int MaxDeviceBytes = ProtocolLimits.MaxDeviceBytes, MaxAddressBytes = 64;

    /// <summary>Longest node id of a room, UTF-8.</summary>
    public const int MaxRoomBytes = 128;

    /// <summary>Highest generation: numbers of scripts are exact to 2^53.</summary>
    public const long MaxGeneration = 1L << 52;

    /// <summary>Longest field and value; redis must keep hashes with such values as listpacks.</summary>
    public const int MaxFieldBytes = 1 + ProtocolLimits.MaxAppBytes + ProtocolLimits.MaxUserBytes,
        MaxValueBytes = 8 + 1 + 9 + MaxRoomBytes + 9 + 6 + 1 + MaxDeviceBytes + 1 + MaxAddressBytes;

    private const byte Version = 1, UuidUser = 128, UuidDevice = 255, IPv6 = 255, IPv4 = 254;
    private const int HeadBytes = 8, TimeBytes = 6, UuidBytes = 16;
    private const long MaxTime = (1L << 48) - 1;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>Throws <see cref="ArgumentException"/> naming the field and its limit.</summary>
    public static void Check(SessionEntry entry)
    {
        Check(entry.Key);
        CheckText(entry.Room, nameof(entry.Room), 1, MaxRoomBytes);
        CheckText(entry.Device, nameof(entry.Device), 0, MaxDeviceBytes);
        CheckText(entry.RemoteAddress, nameof(entry.RemoteAddress), 0, MaxAddressBytes);
        CheckNumber(entry.Incarnation, nameof(entry.Incarnation), long.MaxValue);
        CheckNumber(entry.Generation, nameof(entry.Generation), MaxGeneration);
        CheckNumber(entry.BoundAt, nameof(entry.BoundAt), MaxTime);
    }

    /// <inheritdoc cref="Check(SessionEntry)"/>
    public static void Check(UserKey key)
    {
        CheckText(key.App, nameof(key.App), 0, ProtocolLimits.MaxAppBytes);
        CheckText(key.User, nameof(key.User), 0, ProtocolLimits.MaxUserBytes);
    }

    /// <summary>The field of a user.</summary>
    public static byte[] Field(UserKey key)
    {
        var app = Encoding.UTF8.GetByteCount(key.App);
        if (TryUuid(key.User, out var uuid))
        {
            var packed = new byte[1 + app + UuidBytes];
            packed[0] = (byte)(app | UuidUser);
            Encoding.UTF8.GetBytes(key.App, packed.AsSpan(1));
            uuid.TryWriteBytes(packed.AsSpan(1 + app), bigEndian: true, out _);
            return packed;
        }
        var field = new byte[1 + app + Encoding.UTF8.GetByteCount(key.User)];
        field[0] = (byte)app;
        Encoding.UTF8.GetBytes(key.App, field.AsSpan(1));
        Encoding.UTF8.GetBytes(key.User, field.AsSpan(1 + app));
        return field;
    }

    /// <summary>The user of a field; false when it is no field.</summary>
    public static bool TryReadField(ReadOnlySpan<byte> field, out UserKey key)
    {
        key = default;
        if (field.IsEmpty)
            return false;
        var app = field[0] & 127;
        if (field.Length < 1 + app || !TryText(field.Slice(1, app), out var appText))
            return false;
        var user = field[(1 + app)..];
        if ((field[0] & UuidUser) != 0)
        {
            if (user.Length != UuidBytes)
                return false;
            key = new UserKey(appText, new Guid(user, bigEndian: true).ToString());
            return true;
        }
        if (!TryText(user, out var userText))
            return false;
        key = new UserKey(appText, userText);
        return true;
    }

    /// <summary>Home and connection: the beginning of the tail, by which an entry is known to be a connection's.</summary>
    public static byte[] Owner(SessionEntry entry)
    {
        Span<byte> buffer = stackalloc byte[MaxValueBytes];
        return buffer[..WriteOwner(buffer, entry)].ToArray();
    }

    /// <summary>All of an entry but user and generation.</summary>
    public static byte[] Tail(SessionEntry entry)
    {
        Span<byte> buffer = stackalloc byte[MaxValueBytes];
        var at = WriteOwner(buffer, entry);
        BinaryPrimitives.WriteUInt16BigEndian(buffer[at..], (ushort)(entry.BoundAt >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(buffer[(at + 2)..], (uint)entry.BoundAt);
        at += TimeBytes;
        if (TryUuid(entry.Device, out var uuid))
        {
            buffer[at++] = UuidDevice;
            uuid.TryWriteBytes(buffer[at..], bigEndian: true, out _);
            at += UuidBytes;
        }
        else
        {
            at += WriteText(buffer[at..], entry.Device);
        }
        return buffer[..(at + WriteAddress(buffer[at..], entry.RemoteAddress))].ToArray();
    }

    /// <summary>The whole value of an entry.</summary>
    public static byte[] Value(SessionEntry entry)
    {
        byte[] value = [Version, .. new byte[HeadBytes - 1], .. Tail(entry)];
        for (var i = 1; i < HeadBytes; i++)
            value[i] = (byte)(entry.Generation >> (8 * (HeadBytes - 1 - i)));
        return value;
    }

    /// <summary>A home, as the counters name it.</summary>
    public static byte[] Home(RoomIncarnation home)
    {
        Span<byte> buffer = stackalloc byte[MaxValueBytes];
        return buffer[..WriteHome(buffer, home.Room, home.Incarnation)].ToArray();
    }

    /// <summary>Reads an entry; false when these bytes are none.</summary>
    public static bool TryRead(UserKey key, ReadOnlySpan<byte> value, [NotNullWhen(true)] out SessionEntry? entry)
    {
        entry = null;
        if (value.Length < HeadBytes + 1 || value[0] != Version)
            return false;
        long generation = 0;
        foreach (var one in value[1..HeadBytes])
            generation = (generation << 8) | one;
        var rest = value[HeadBytes..];
        if (!TryTake(ref rest, 1, out var length) || !TryTake(ref rest, length[0], out var home)
            || !TryReadHome(home, out var incarnation, out var room)
            || !TryTake(ref rest, 1, out length) || length[0] > 8 || !TryTake(ref rest, length[0], out var number)
            || !TryTake(ref rest, TimeBytes, out var time)
            || !TryReadDevice(ref rest, out var device) || !TryReadAddress(ref rest, out var address) || !rest.IsEmpty)
        {
            return false;
        }
        ulong connection = 0;
        for (var i = number.Length - 1; i >= 0; i--)
            connection = (connection << 8) | number[i];
        entry = new SessionEntry
        {
            Key = key,
            Room = room,
            Incarnation = incarnation,
            Connection = connection,
            Generation = generation,
            Device = device,
            RemoteAddress = address,
            BoundAt = ((long)BinaryPrimitives.ReadUInt16BigEndian(time) << 32) | BinaryPrimitives.ReadUInt32BigEndian(time[2..]),
        };
        return true;
    }

    /// <summary>Reads a home, as the counters name it.</summary>
    public static bool TryReadHome(ReadOnlySpan<byte> home, out long incarnation, [NotNullWhen(true)] out string? room)
    {
        incarnation = 0;
        room = null;
        if (!TryTake(ref home, 1, out var length) || length[0] > 8 || !TryTake(ref home, length[0], out var number))
            return false;
        foreach (var one in number)
            incarnation = (incarnation << 8) | one;
        return incarnation >= 0 && TryText(home, out room);
    }

    private static int WriteOwner(Span<byte> to, SessionEntry entry)
    {
        var home = WriteHome(to[1..], entry.Room, entry.Incarnation);
        to[0] = (byte)home;
        var at = 1 + home;
        var connection = BytesOf(entry.Connection);
        to[at++] = (byte)connection;
        for (var i = 0; i < connection; i++)
            to[at++] = (byte)(entry.Connection >> (8 * i));
        return at;
    }

    private static int WriteHome(Span<byte> to, string room, long incarnation)
    {
        var length = BytesOf((ulong)incarnation);
        to[0] = (byte)length;
        for (var i = 0; i < length; i++)
            to[1 + i] = (byte)(incarnation >> (8 * (length - 1 - i)));
        return 1 + length + Encoding.UTF8.GetBytes(room, to[(1 + length)..]);
    }

    private static int WriteText(Span<byte> to, string text)
    {
        var length = Encoding.UTF8.GetBytes(text, to[1..]);
        to[0] = (byte)length;
        return 1 + length;
    }

    private static int WriteAddress(Span<byte> to, string address)
    {
        // Packed only if it comes back as the same text.
        if (!IPEndPoint.TryParse(address, out var point) || point.ToString() != address)
            return WriteText(to, address);
        to[0] = point.AddressFamily == AddressFamily.InterNetwork ? IPv4 : IPv6;
        point.Address.TryWriteBytes(to[1..], out var length);
        BinaryPrimitives.WriteUInt16BigEndian(to[(1 + length)..], (ushort)point.Port);
        return 1 + length + 2;
    }

    private static bool TryReadDevice(ref ReadOnlySpan<byte> from, [NotNullWhen(true)] out string? device)
    {
        device = null;
        if (!TryTake(ref from, 1, out var length))
            return false;
        if (length[0] != UuidDevice)
            return length[0] <= MaxDeviceBytes && TryTake(ref from, length[0], out var text) && TryText(text, out device);
        if (!TryTake(ref from, UuidBytes, out var uuid))
            return false;
        device = new Guid(uuid, bigEndian: true).ToString();
        return true;
    }

    private static bool TryReadAddress(ref ReadOnlySpan<byte> from, [NotNullWhen(true)] out string? address)
    {
        address = null;
        if (!TryTake(ref from, 1, out var length))
            return false;
        if (length[0] < IPv4)
            return length[0] <= MaxAddressBytes && TryTake(ref from, length[0], out var text) && TryText(text, out address);
        if (!TryTake(ref from, length[0] == IPv4 ? 4 : 16, out var bytes) || !TryTake(ref from, 2, out var port))
            return false;
        address = new IPEndPoint(new IPAddress(bytes), BinaryPrimitives.ReadUInt16BigEndian(port)).ToString();
        return true;
    }

    private static bool TryTake(ref ReadOnlySpan<byte> from, int length, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (from.Length < length)
            return false;
        taken = from[..length];
        from = from[length..];
        return true;
    }

    private static bool TryText(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (!System.Text.Unicode.Utf8.IsValid(bytes))
            return false;
        text = Strict.GetString(bytes);
        return true;
    }

    private static bool TryUuid(string text, out Guid uuid) =>
        Guid.TryParseExact(text, "D", out uuid) && uuid.ToString() == text;

    private static int BytesOf(ulong number) => (64 - System.Numerics.BitOperations.LeadingZeroCount(number) + 7) / 8;

    private static void CheckText(string text, string name, int least, int most)
    {
        ArgumentNullException.ThrowIfNull(text, name);
        int length;
        try
        {
            length = Strict.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw new ArgumentException($"{name} is no valid text", name);
        }
        if (length < least || length > most)
            throw new ArgumentException($"{name} must have from {least} to {most} bytes of UTF-8, not {length}", name);
    }

    private static void CheckNumber(long number, string name, long most)
    {
        if (number < 0 || number > most)
            throw new ArgumentOutOfRangeException(name, number, $"{name} must be from 0 to {most}");
    }
}
