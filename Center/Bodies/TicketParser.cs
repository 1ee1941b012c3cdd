namespace PushSystem.Center.Bodies;

/// <summary>Reads the body of POST /v1/tickets. Pure.</summary>
internal static class TicketParser
{
    public const int DefaultSeconds = 3_600, MinSeconds = 60, MaxSeconds = 2_592_000;

    private const int SeenUser = 1, SeenTtl = 2;

    public static (string User, int Seconds) Read(ReadOnlySpan<byte> body)
    {
        var reader = JsonFields.Open(body);
        var seen = 0;
        string? user = null;
        var seconds = DefaultSeconds;
        while (JsonFields.Next(ref reader))
        {
            if (reader.ValueTextEquals("user"u8))
            {
                JsonFields.Once(ref seen, SeenUser, FieldPath.Root, "user");
                user = JsonFields.User(ref reader, FieldPath.Root, "user");
            }
            else if (reader.ValueTextEquals("ttlSeconds"u8))
            {
                JsonFields.Once(ref seen, SeenTtl, FieldPath.Root, "ttlSeconds");
                seconds = (int)JsonFields.Number(ref reader, FieldPath.Root, "ttlSeconds", MinSeconds, MaxSeconds);
            }
            else
            {
                throw JsonFields.Unknown(ref reader, FieldPath.Root, "user, ttlSeconds");
            }
        }
        JsonFields.Close(ref reader);
        return (user ?? throw Problems.Missing("user", "The user is missing."), seconds);
    }
}
