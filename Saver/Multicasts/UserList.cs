using System.Text;

namespace PushSystem.Saver.Multicasts;

/// <summary>The users of one part as stored: each one byte of length and that many bytes of UTF-8. Pure.</summary>
internal static class UserList
{
    public static byte[] Write(IReadOnlyList<string> users)
    {
        var length = 0;
        foreach (var user in users)
            length += 1 + Encoding.UTF8.GetByteCount(user);
        var bytes = new byte[length];
        var at = 0;
        foreach (var user in users)
        {
            var written = Encoding.UTF8.GetBytes(user, bytes.AsSpan(at + 1));
            bytes[at] = checked((byte)written);
            at += 1 + written;
        }
        return bytes;
    }

    public static string[] Read(ReadOnlySpan<byte> bytes, int count)
    {
        var users = new string[count];
        for (var i = 0; i < count; i++)
        {
            users[i] = Encoding.UTF8.GetString(bytes.Slice(1, bytes[0]));
            bytes = bytes[(1 + bytes[0])..];
        }
        return users;
    }
}
