using Google.Protobuf;
using PushSystem.Contracts;
using PushSystem.Protocol;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Wire;

/// <summary>Between contract types and node messages: what several of them share. Pure; memory is not copied on the way out.</summary>
internal static class CommonWire
{
    public static readonly P.Empty Empty = new();

    public static P.User To(UserKey key) => new() { App = key.App, User_ = key.User };

    public static UserKey From(P.User? user) => user is null ? throw Missing("user") : new UserKey(user.App, user.User_);

    public static P.Position To(StreamPosition position) => new() { Epoch = position.Epoch, Seq = position.Seq };

    public static StreamPosition From(P.Position? position) => position is null ? default : new StreamPosition(position.Epoch, position.Seq);

    public static ByteString Bytes(ReadOnlyMemory<byte> memory) => memory.IsEmpty ? ByteString.Empty : UnsafeByteOperations.UnsafeWrap(memory);

    public static P.Claim? To(IdempotencyClaim? claim) =>
        claim is null ? null : new P.Claim { Key = claim.Key, Fingerprint = Bytes(claim.Fingerprint) };

    public static IdempotencyClaim? From(P.Claim? claim) => claim is null ? null : new IdempotencyClaim(claim.Key, claim.Fingerprint.Memory);

    public static P.TimeToLive? To(TimeSpan? timeToLive) =>
        timeToLive is { } time ? new P.TimeToLive { Milliseconds = (long)time.TotalMilliseconds } : null;

    public static TimeSpan? From(P.TimeToLive? timeToLive) => timeToLive is null ? null : TimeSpan.FromMilliseconds(timeToLive.Milliseconds);

    public static P.Fence? To(Fence fence) => fence.Work is null ? null : new P.Fence { Work = fence.Work, Token = fence.Token };

    public static Fence From(P.Fence? fence) => fence is null ? default : new Fence(fence.Work, fence.Token);

    public static P.Blob To(ReadOnlyMemory<byte>? value) =>
        value is { } bytes ? new P.Blob { Exists = true, Value = Bytes(bytes) } : new P.Blob();

    public static ReadOnlyMemory<byte>? From(P.Blob blob) => blob.Exists ? blob.Value.Memory : (ReadOnlyMemory<byte>?)null;

    public static P.ReadAnswer To(ReadReply reply)
    {
        var answer = new P.ReadAnswer { Epoch = reply.Epoch, Top = reply.Top, BehindSeq = reply.BehindSeq };
        foreach (var entry in reply.Entries)
        {
            answer.Entries.Add(new P.Entry
            {
                Seq = entry.Seq, Gap = (uint)entry.Gap, Kind = (uint)entry.Kind, AcceptedAt = entry.AcceptedAt, ExpiresAt = entry.ExpiresAt,
                Payload = Bytes(entry.Payload),
            });
        }
        return answer;
    }

    public static ReadReply From(P.ReadAnswer answer)
    {
        var entries = new StreamEntry[answer.Entries.Count];
        for (var i = 0; i < entries.Length; i++)
        {
            var entry = answer.Entries[i];
            entries[i] = new StreamEntry(
                entry.Seq, (ResetReason)entry.Gap, (PayloadKind)entry.Kind, entry.AcceptedAt, entry.ExpiresAt, entry.Payload.Memory);
        }
        return new ReadReply(answer.Epoch, entries, answer.Top, answer.BehindSeq);
    }

    public static TaskState[] States(IEnumerable<uint> states) => [.. states.Select(state => (TaskState)state)];

    /// <summary>The answer has as many items as were asked for; anything else is a defect of the peer.</summary>
    public static void CheckCount(int asked, int answered, string what)
    {
        if (asked != answered)
            throw new StoreUnavailableException($"{what}: {answered} answers to {asked} items");
    }

    public static ArgumentException Missing(string field) => new($"{field}: missing");
}
