using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// The first six bytes of a client: "PUSH", lowest version, highest version. Frames follow at once. The server picks the
/// highest version in common and tells it in LOGIN_OK or RESUME_OK.
/// </summary>
public readonly record struct Preface(byte LowestVersion, byte HighestVersion)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Size = 6;
    /// <summary>The version that this code speaks.</summary>
    public const byte CurrentVersion = 1;

    /// <summary>"PUSH".</summary>
    public static ReadOnlySpan<byte> Magic => "PUSH"u8;

    /// <summary>What this code sends.</summary>
    public static Preface Current => new(CurrentVersion, CurrentVersion);

    /// <summary>Writes the six bytes.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var span = output.GetSpan(Size);
        Magic.CopyTo(span);
        span[4] = LowestVersion;
        span[5] = HighestVersion;
        output.Advance(Size);
    }

    /// <summary>
    /// True: input starts after the preface. False: input is untouched and more bytes are needed. Throws
    /// <see cref="ProtocolException"/> at the first byte that differs from the magic.
    /// </summary>
    public static bool TryRead(ref ReadOnlySequence<byte> input, out Preface preface)
    {
        preface = default;
        Span<byte> head = stackalloc byte[Size];
        var available = (int)Math.Min(input.Length, Size);
        input.Slice(0, available).CopyTo(head);
        var known = Math.Min(available, 4);
        if (!head[..known].SequenceEqual(Magic[..known]))
            throw new ProtocolException(ReasonCode.UnsupportedVersion, "the connection does not start with the protocol's magic");
        if (available < Size)
            return false;
        if (head[4] == 0 || head[5] < head[4])
            throw new ProtocolException(ReasonCode.UnsupportedVersion, $"the version range {head[4]} to {head[5]} is not valid");
        preface = new Preface(head[4], head[5]);
        input = input.Slice(Size);
        return true;
    }

    /// <summary>The highest version in common, or 0.</summary>
    public byte Negotiate(byte lowest, byte highest)
    {
        var version = Math.Min(HighestVersion, highest);
        return version >= Math.Max(LowestVersion, lowest) ? version : (byte)0;
    }
}
