using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using PushSystem.Center.Bodies;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>The members of a multicast's body but its users. One request uses it.</summary>
internal sealed class MulticastMembers(AppLimits limits)
{
    public const string Names = $"{PayloadFields.Names}, level, ttlSeconds, ratePerSecond, users";

    private const int SeenLevel = 1, SeenTtl = 2, SeenRate = 4, SeenUsers = 8, SeenSettings = SeenLevel | SeenTtl | SeenRate;

    private PayloadFields _payload;
    private bool _hasPayload;
    private int _seen;

    /// <summary>Null = the deployment's default.</summary>
    public Durability? Level { get; private set; }

    public TimeSpan? TimeToLive { get; private set; }

    /// <summary>Persons per second, 0 = as fast as possible.</summary>
    public int RatePerSecond { get; private set; }

    /// <summary>The list of users has begun.</summary>
    public bool HasUsers => (_seen & SeenUsers) != 0;

    /// <summary>Nothing that may still come changes anything but the users.</summary>
    public bool IsCertain => _hasPayload && (_seen & SeenSettings) == SeenSettings;

    /// <summary>The list of users begins.</summary>
    public void BeginUsers() => JsonFields.Once(ref _seen, SeenUsers, FieldPath.Root, "users");

    /// <summary>
    /// Takes one member, name and value as they were sent, which are known to be well-formed and begin at
    /// <paramref name="position"/> of the body. Throws the problem to answer with.
    /// </summary>
    public void Take(in ReadOnlySequence<byte> member, long position)
    {
        var rented = ArrayPool<byte>.Shared.Rent((int)member.Length + 2);
        try
        {
            // An object of this member alone is read like any other body.
            var body = rented.AsSpan(0, (int)member.Length + 2);
            body[0] = (byte)'{';
            member.CopyTo(body[1..]);
            body[^1] = (byte)'}';
            if (!Utf8.IsValid(body))
                throw Problems.NotUtf8((int)Math.Min(int.MaxValue, position));
            var reader = JsonFields.Open(body);
            JsonFields.Next(ref reader);
            Take(ref reader, body);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>The multicast as asked for. Throws the problem to answer with.</summary>
    public MulticastDraft Draft(string app, Durability defaultLevel, IReadOnlySet<Durability> offered)
    {
        _payload.Require(FieldPath.Root);
        var level = Level ?? (defaultLevel == Durability.Transient ? Durability.Stored : defaultLevel);
        if (level == Durability.Transient)
            throw Problems.Invalid("level", "A multicast cannot be transient.", "stored or durable");
        if (!offered.Contains(level))
            throw Problems.LevelUnavailable(level, offered);
        return new MulticastDraft(app, level, _payload.Kind, _payload.Payload, TimeToLive, RatePerSecond);
    }

    private void Take(ref Utf8JsonReader reader, ReadOnlySpan<byte> body)
    {
        if (_payload.TryRead(ref reader, body, FieldPath.Root, limits.PayloadBytes))
        {
            _hasPayload = true;
        }
        else if (reader.ValueTextEquals("level"u8))
        {
            JsonFields.Once(ref _seen, SeenLevel, FieldPath.Root, "level");
            Level = MessageParser.ReadLevel(ref reader);
        }
        else if (reader.ValueTextEquals("ttlSeconds"u8))
        {
            JsonFields.Once(ref _seen, SeenTtl, FieldPath.Root, "ttlSeconds");
            TimeToLive = MessageParser.ReadTimeToLive(ref reader, FieldPath.Root, limits);
        }
        else if (reader.ValueTextEquals("ratePerSecond"u8))
        {
            JsonFields.Once(ref _seen, SeenRate, FieldPath.Root, "ratePerSecond");
            RatePerSecond = (int)JsonFields.Number(ref reader, FieldPath.Root, "ratePerSecond", 0, BroadcastParser.MaxRate);
        }
        else
        {
            throw JsonFields.Unknown(ref reader, FieldPath.Root, Names);
        }
    }
}
