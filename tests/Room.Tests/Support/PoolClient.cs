using System.Buffers;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Transport.Memory;

namespace PushSystem.Room.Tests.Support;

/// <summary>
/// A client on the thread pool that takes messages in order, acks some, breaks its socket now and then and resumes; it ends when it
/// has them all. It fails on a hole, on a repetition within one connection and on a refused resume.
/// </summary>
internal static class PoolClient
{
    /// <summary>Returns how often it has resumed.</summary>
    public static async Task<int> RunAsync(MemoryEngine engine, UserKey key, long messages, int seed)
    {
        var random = new Random(seed);
        var processed = 0L;
        var resumes = 0;
        byte[] ticket = [];
        while (processed < messages)
        {
            var wire = engine.Connect(shard: random.Next(engine.Shards.Count));
            var output = new ArrayBufferWriter<byte>();
            Preface.Current.Write(output);
            if (ticket.Length == 0)
                new LoginMessage("d", "", 0, 0, 0, [new BindRequest(key.App, key.User, Issue(key), false, default, default)]).Write(output);
            else
                new ResumeMessage(ticket, 0, [new ResumePosition(0, new StreamPosition(7, processed), default)]).Write(output);
            wire.Send(output.WrittenSpan);
            var quota = random.Next(1, 40);
            var last = processed;
            var rest = new ReadOnlySequence<byte>();
            var buffer = new byte[4096];
            while (quota > 0 && processed < messages)
            {
                var read = await wire.ReadAsync(buffer);
                Assert.True(read > 0, $"{key}: the connection ended at {processed}");
                rest = new ReadOnlySequence<byte>([.. rest.ToArray(), .. buffer.AsSpan(0, read)]);
                while (quota > 0 && FrameReader.TryRead(ref rest, ProtocolLimits.MaxServerBody, out var frame))
                {
                    var body = frame.Body.ToArray();
                    if (frame.Opcode == Opcode.LoginOk)
                        ticket = LoginOkMessage.Read(body).Settings.ResumeTicket.ToArray();
                    else if (frame.Opcode == Opcode.ResumeOk)
                        ticket = ResumeTicketOf(ResumeOkMessage.Read(body), key, ref resumes);
                    else
                        TakePush(frame.Opcode, body, key, ref last, ref processed, ref quota, random, wire);
                }
            }
            if (processed < messages)
                wire.Reset();
        }
        return resumes;
    }

    private static byte[] ResumeTicketOf(ResumeOkMessage answer, UserKey key, ref int resumes)
    {
        Assert.True(answer.Code == ReasonCode.Ok, $"{key}: resume was refused");
        resumes++;
        return answer.Settings!.ResumeTicket.ToArray();
    }

    private static void TakePush(Opcode opcode, byte[] body, UserKey key, ref long last, ref long processed, ref int quota, Random random, MemoryClient wire)
    {
        Assert.Equal(Opcode.Push, opcode);
        var seq = PushMessage.Read(body).Seq;
        Assert.True(seq == last + 1, $"{key}: {seq} came after {last}");
        last = seq;
        processed = Math.Max(processed, seq);
        quota--;
        if (processed % 2 == 1 && random.Next(3) > 0)
            return;
        var output = new ArrayBufferWriter<byte>();
        new AckMessage(0, StreamKind.Mailbox, 7, processed).Write(output);
        wire.Send(output.WrittenSpan);
    }

    private static byte[] Issue(UserKey key) => Ticket.Issue(FakeApps.Key, key.App, key.User, DateTimeOffset.UtcNow.AddHours(1));
}
