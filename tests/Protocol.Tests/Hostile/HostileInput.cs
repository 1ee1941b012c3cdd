using System.Buffers;
using System.Globalization;
using PushSystem.Protocol.Tests.Vectors;

namespace PushSystem.Protocol.Tests.Hostile;

/// <summary>
/// One hostile input: what reads it ("PREFACE", "FRAME" or a frame's name), its bytes, the code that it must be refused with and what
/// that prevents. <see cref="BodyLimit"/> is the limit in force while splitting.
/// </summary>
internal sealed record HostileInput(string Name, string ReadAs, byte[] Bytes, ReasonCode Code, string Prevents)
{
    public int BodyLimit { get; init; } = ProtocolLimits.MaxServerBody;

    /// <summary>Those of the page and those of the code.</summary>
    public static IReadOnlyDictionary<string, HostileInput> All { get; } =
        FromPage().Concat(HostileHeaders.All).Concat(HostileClientFrames.All).Concat(HostileServerFrames.All)
            .ToDictionary(input => input.Name);

    /// <summary>Reads the bytes as a receiver would. Throws what the codec throws; false when it waits for more or accepts.</summary>
    public bool Read(ReadOnlySequence<byte> input)
    {
        if (ReadAs == "PREFACE")
        {
            Preface.TryRead(ref input, out _);
            return false;
        }
        if (!FrameReader.TryRead(ref input, BodyLimit, out var frame) || ReadAs == "FRAME")
            return false;
        using var body = new FrameBody(frame.Body);
        VectorCodec.ByName[ReadAs].Read(body.Span);
        return true;
    }

    private static IEnumerable<HostileInput> FromPage() => Page.Vectors.Table("Invalid inputs").Select(row =>
        new HostileInput(row[0], row[1], Hex.Parse(row[3]), (ReasonCode)int.Parse(row[4], CultureInfo.InvariantCulture), row[5])
        {
            BodyLimit = row[2].Length > 0 ? int.Parse(row[2], CultureInfo.InvariantCulture) : ProtocolLimits.MaxServerBody,
        });
}
