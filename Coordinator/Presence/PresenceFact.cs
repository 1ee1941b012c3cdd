using System.Text.Json;

namespace PushSystem.Coordinator.Presence;

/// <summary>
/// What is kept durably about a user's last reported presence: enough to report the opposite of online after a crash, and for a while
/// enough to know what is late for who went offline. Time in Unix milliseconds. Facts without <see cref="Online"/> are of online users.
/// </summary>
internal sealed record PresenceFact(long Generation, string Device, string Room, long At, bool Online = true)
{
    private const string SpacePrefix = "presence:";

    /// <summary>The fact space of an app; keys are users.</summary>
    public static string SpaceOf(string app) => SpacePrefix + app;

    public ReadOnlyMemory<byte> Write() => JsonSerializer.SerializeToUtf8Bytes(this);

    /// <summary>Throws <see cref="JsonException"/> when the stored bytes are not a fact.</summary>
    public static PresenceFact Read(ReadOnlyMemory<byte> stored) =>
        JsonSerializer.Deserialize<PresenceFact>(stored.Span) ?? throw new JsonException("the presence fact is null");
}
