using PushSystem.Contracts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Claims;

/// <summary>The SQL of work claims. Stateless; the connection's owner calls it.</summary>
internal static class ClaimRows
{
    /// <summary>Longest name of a piece of work, bytes of UTF-8.</summary>
    public const int MaxWorkBytes = 255;

    private const string Select = "SELECT token FROM claims WHERE work = ?1";
    private const string Put = "INSERT OR REPLACE INTO claims (work, token) VALUES (?1, ?2)";
    private const string Delete = "DELETE FROM claims WHERE work = ?1 AND token = ?2";

    /// <summary>The owner's token; 0 = nobody.</summary>
    public static long Owner(RawConnection connection, string work)
    {
        using var row = connection.Use(Select).Bind(1, work);
        return row.Step() ? row.Long(0) : 0;
    }

    public static void Own(RawConnection connection, string work, long token) => connection.Use(Put).Bind(1, work).Bind(2, token).Run();

    public static void Release(RawConnection connection, string work, long token) =>
        connection.Use(Delete).Bind(1, work).Bind(2, token).Run();

    /// <summary>False: the write's author does not own the work any more.</summary>
    public static bool Admits(RawConnection connection, Fence fence) => !fence.IsSet || Owner(connection, fence.Work!) == fence.Token;

    public static FencedException Refusal(Fence fence) => new($"The process with token {fence.Token} does not own '{fence.Work}' any more.");

    public static void Check(string work)
    {
        var bytes = StoredText.ByteCount(work, nameof(work));
        if (bytes is 0 or > MaxWorkBytes)
            throw new ArgumentException($"work: {bytes} bytes, allowed are 1 to {MaxWorkBytes}");
    }

    public static void CheckToken(long token)
    {
        if (token <= 0)
            throw new ArgumentException($"token: {token} must be above 0");
    }
}
