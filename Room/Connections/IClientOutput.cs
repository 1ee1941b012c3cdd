using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>
/// What sessions and delivery say to a client, without any wire format. On the shard's turn. Data (messages, resets, notices)
/// answers Full when it should wait for the output to drain; everything else uses the lane kept free for it, and a client for
/// which even that is full is closed as too slow.
/// </summary>
internal interface IClientOutput
{
    /// <summary>A stored message, or with seq 0 a transient one.</summary>
    SendStatus Push(ConnectionRef connection, int appIndex, StreamKind stream, in StreamEntry message, bool fetched);

    /// <summary>A message encoded before by <see cref="EncodeBroadcast"/>.</summary>
    SendStatus PushEncoded(ConnectionRef connection, ReadOnlyMemory<byte> message);

    /// <summary>The bytes of a broadcast for everyone with this app index.</summary>
    ReadOnlyMemory<byte> EncodeBroadcast(int appIndex, in StreamEntry message);

    /// <summary>The stream goes on at first seq.</summary>
    SendStatus Reset(ConnectionRef connection, int appIndex, StreamKind stream, uint epoch, long firstSeq, ResetReason reason);

    /// <summary>A stream of a pull binding has grown.</summary>
    SendStatus Notify(ConnectionRef connection, int appIndex, StreamKind stream, uint epoch, long top);

    /// <summary>A FETCH is complete.</summary>
    SendStatus FetchDone(ConnectionRef connection, long requestId, ReasonCode code, int count, long nextSeq, long topSeq);

    void LoginDone(ConnectionRef connection, SessionSettings settings, IReadOnlyList<BindResult> results);

    /// <summary>Settings null: refused.</summary>
    void ResumeDone(ConnectionRef connection, SessionSettings? settings);

    void BindDone(ConnectionRef connection, long requestId, in BindResult result);

    void UnbindDone(ConnectionRef connection, int appIndex);

    void SendDone(ConnectionRef connection, int appIndex, long messageId, in UpstreamReply reply);

    void SubscribeDone(ConnectionRef connection, long requestId, ReasonCode code);

    /// <summary>Limits 0: unchanged.</summary>
    void Pong(ConnectionRef connection, int heartbeatMinSeconds, int heartbeatMaxSeconds);

    /// <summary>App index null: the whole connection ends.</summary>
    void GoAway(ConnectionRef connection, ReasonCode reason, int? appIndex, TimeSpan window, IReadOnlyList<string> addresses);

    void Error(ConnectionRef connection, ReasonCode code, TimeSpan window, string text);
}
