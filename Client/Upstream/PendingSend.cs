using System.Text;
using PushSystem.Protocol;

namespace PushSystem.Client.Upstream;

/// <summary>One upstream message that waits for its SEND_OK. Immutable but for its completion; thread-safe.</summary>
internal sealed class PendingSend(PushBinding binding, long id, string type, PayloadKind kind, byte[] payload)
{
    // What a message costs beside its payload.
    private const int Overhead = 256;

    public PushBinding Binding { get; } = binding;
    public long Id { get; } = id;
    public string Type { get; } = type;
    public PayloadKind Kind { get; } = kind;
    public byte[] Payload { get; } = payload;
    public TaskCompletionSource<long> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Bytes that count against the queue's limit.</summary>
    public int Size => SizeOf(Payload.Length);

    /// <summary>The same before it exists.</summary>
    public static int SizeOf(int payloadBytes) => Overhead + payloadBytes;

    /// <summary>Length of the frame's body on a session with the given index.</summary>
    public int BodySize(int appIndex) =>
        Varint.SizeOf(appIndex) + Varint.SizeOf(Id) + BodyWriter.SizeOfBytes(Encoding.UTF8.GetByteCount(Type)) + 1 + Payload.Length;
}
