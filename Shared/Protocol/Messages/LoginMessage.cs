using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// LOGIN (1), c→s, the first frame (or the one after a RESUME that was answered "full login"):
/// <code>device text(1..64) · sdk text(0..32) · network byte · features varint · next interval varint s (0 = default) · binding count varint · bindings…</code>
/// </summary>
public sealed record LoginMessage(
    string Device, string Sdk, NetworkType Network, Features Features, int NextIntervalSeconds, IReadOnlyList<BindRequest> Bindings)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var size = BodyWriter.SizeOfText(Device) + BodyWriter.SizeOfText(Sdk) + 1 + Varint.SizeOf((long)Features)
            + Varint.SizeOf(NextIntervalSeconds) + Varint.SizeOf(Bindings.Count);
        foreach (var binding in Bindings)
            size += binding.Size;
        var writer = new BodyWriter(output, Opcode.Login, size);
        writer.Text(Device);
        writer.Text(Sdk);
        writer.Byte((byte)Network);
        writer.Number((long)Features);
        writer.Number(NextIntervalSeconds);
        writer.Number(Bindings.Count);
        foreach (var binding in Bindings)
            binding.Write(ref writer);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields belong to later versions and are ignored.</summary>
    public static LoginMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var device = reader.Text("device", ProtocolLimits.MaxDeviceBytes, 1);
        var sdk = reader.Text("sdk", ProtocolLimits.MaxSdkBytes);
        var network = (NetworkType)reader.Byte("network");
        var features = (Features)reader.Number("features");
        var interval = reader.Int("next interval", ProtocolLimits.MaxIntervalSeconds);
        var count = reader.Int("binding count", ProtocolLimits.MaxBindings);
        var bindings = new BindRequest[count];
        for (var i = 0; i < count; i++)
            bindings[i] = BindRequest.Read(ref reader);
        return new LoginMessage(device, sdk, network, features, interval, bindings);
    }
}

/// <summary>
/// LOGIN_OK (2), s→c: <code>settings · result count varint · results…</code> One result per binding of the LOGIN, in its order.
/// </summary>
public sealed record LoginOkMessage(SessionSettings Settings, IReadOnlyList<BindResult> Results)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var size = Settings.Size + Varint.SizeOf(Results.Count);
        foreach (var result in Results)
            size += result.Size;
        var writer = new BodyWriter(output, Opcode.LoginOk, size);
        Settings.Write(ref writer);
        writer.Number(Results.Count);
        foreach (var result in Results)
            result.Write(ref writer);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static LoginOkMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var settings = SessionSettings.Read(ref reader);
        var results = new BindResult[reader.Int("result count", ProtocolLimits.MaxBindings)];
        for (var i = 0; i < results.Length; i++)
            results[i] = BindResult.Read(ref reader);
        return new LoginOkMessage(settings, results);
    }
}
