using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>BIND (5), c→s: <code>request id varint · binding</code></summary>
public sealed record BindMessage(long RequestId, BindRequest Binding)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Bind, Varint.SizeOf(RequestId) + Binding.Size);
        writer.Number(RequestId);
        Binding.Write(ref writer);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static BindMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new BindMessage(reader.Number("request id"), BindRequest.Read(ref reader));
    }
}

/// <summary>BIND_OK (6), s→c: <code>request id varint · result</code></summary>
public readonly record struct BindOkMessage(long RequestId, BindResult Result)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.BindOk, Varint.SizeOf(RequestId) + Result.Size);
        writer.Number(RequestId);
        Result.Write(ref writer);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static BindOkMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new BindOkMessage(reader.Number("request id"), BindResult.Read(ref reader));
    }
}

/// <summary>UNBIND (7), c→s, and UNBIND_OK (20), s→c: <code>app index varint</code> The index is not used again.</summary>
public readonly record struct UnbindMessage(int AppIndex)
{
    /// <summary>Writes the frame as <see cref="Opcode.Unbind"/> or <see cref="Opcode.UnbindOk"/>.</summary>
    public void Write(IBufferWriter<byte> output, Opcode opcode)
    {
        var writer = new BodyWriter(output, opcode, Varint.SizeOf(AppIndex));
        writer.Number(AppIndex);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static UnbindMessage Read(ReadOnlySpan<byte> body) =>
        new(new BodyReader(body).Int("app index", ProtocolLimits.MaxAppIndex));
}
