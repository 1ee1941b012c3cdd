using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Bodies;

/// <summary>Reads the bodies about broadcasts. Pure.</summary>
internal static class BroadcastParser
{
    /// <summary>Highest rate, persons per second.</summary>
    public const int MaxRate = 10_000_000;

    private const int SeenTtl = 1, SeenRate = 2;

    public static ParsedBroadcast Read(ReadOnlySpan<byte> body, AppLimits limits)
    {
        var reader = JsonFields.Open(body);
        var seen = 0;
        TimeSpan? timeToLive = null;
        var rate = 0;
        var payload = new PayloadFields();
        while (JsonFields.Next(ref reader))
        {
            if (payload.TryRead(ref reader, body, FieldPath.Root, limits.PayloadBytes))
            {
            }
            else if (reader.ValueTextEquals("ttlSeconds"u8))
            {
                JsonFields.Once(ref seen, SeenTtl, FieldPath.Root, "ttlSeconds");
                timeToLive = MessageParser.ReadTimeToLive(ref reader, FieldPath.Root, limits);
            }
            else if (reader.ValueTextEquals("ratePerSecond"u8))
            {
                JsonFields.Once(ref seen, SeenRate, FieldPath.Root, "ratePerSecond");
                rate = (int)JsonFields.Number(ref reader, FieldPath.Root, "ratePerSecond", 0, MaxRate);
            }
            else
            {
                throw JsonFields.Unknown(ref reader, FieldPath.Root, $"{PayloadFields.Names}, ttlSeconds, ratePerSecond");
            }
        }
        JsonFields.Close(ref reader);
        payload.Require(FieldPath.Root);
        return new ParsedBroadcast(payload.Kind, payload.Payload, timeToLive, rate);
    }

    /// <summary>The new rate of PATCH /v1/broadcasts/{id}.</summary>
    public static int ReadRate(ReadOnlySpan<byte> body)
    {
        var reader = JsonFields.Open(body);
        var seen = 0;
        int? rate = null;
        while (JsonFields.Next(ref reader))
        {
            if (!reader.ValueTextEquals("ratePerSecond"u8))
                throw JsonFields.Unknown(ref reader, FieldPath.Root, "ratePerSecond");
            JsonFields.Once(ref seen, SeenRate, FieldPath.Root, "ratePerSecond");
            rate = (int)JsonFields.Number(ref reader, FieldPath.Root, "ratePerSecond", 0, MaxRate);
        }
        JsonFields.Close(ref reader);
        return rate ?? throw Problems.Missing("ratePerSecond", "The rate is missing.");
    }
}

/// <summary>A broadcast as asked for; rate in persons per second, 0 = as fast as possible.</summary>
internal readonly record struct ParsedBroadcast(PayloadKind Kind, byte[] Payload, TimeSpan? TimeToLive, int RatePerSecond);
