using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests.Support;

/// <summary>A round trip through the client's receive and send loops.</summary>
internal static class Barrier
{
    /// <summary>
    /// An upstream message from the client to the room and its answer: every frame that was in the client's output before has arrived, so
    /// that "nothing was sent" can be asserted without waiting for time to pass.
    /// </summary>
    public static async Task RoundTripAsync(this PushClient client, FakeConnection room, int index = 0)
    {
        var send = client.SendAsync("demo", "alice", "barrier", "");
        var frame = await room.ReadAsync(Opcode.Send);
        var id = SendMessage.Read(frame).MessageId;
        await room.SendAsync(new SendOkMessage(index, id, ReasonCode.Ok, 0).Write);
        await Waiting.For(send, "the barrier's answer");
    }
}
