using PushSystem.Client.Connections;
using PushSystem.Client.Storage;
using PushSystem.Protocol;

namespace PushSystem.Client.Upstream;

/// <summary>
/// Upstream messages from SendAsync to SEND_OK: sent at once when the binding has a session, sent again in order with the same ids on
/// the next one. Bounded in bytes; over the limit a new message is refused.
/// Owns the messages and each binding's current session; thread-safe; nothing to dispose.
/// </summary>
internal sealed class Outbox(int limitBytes, StateStore store, TimeProvider time)
{
    // Taken before a connection's output lock, never after it.
    private readonly Lock _lock = new();
    private long _bytes;
    private bool _open;

    /// <summary>Bytes waiting for an answer.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
                return _bytes;
        }
    }

    /// <summary>Takes messages from now on, or no more.</summary>
    public void SetOpen(bool open)
    {
        lock (_lock)
            _open = open;
    }

    /// <summary>Takes a message. Throws <see cref="InvalidOperationException"/> while the client is not started,
    /// <see cref="PushSendException"/> when there is no room or no id can be recorded.</summary>
    public PendingSend Add(PushBinding binding, string type, PayloadKind kind, byte[] payload)
    {
        lock (_lock)
        {
            if (!_open)
                throw new InvalidOperationException("the client is not started");
            if (!binding.IsWanted)
                throw new PushSendException(ReasonCode.UnknownTarget, $"{binding} is not bound");
            var size = PendingSend.SizeOf(payload.Length);
            if (_bytes + size > limitBytes)
            {
                ClientMetrics.SendQueueFull.Add(1);
                throw new PushSendException(ReasonCode.QueueFull,
                    $"{_bytes} bytes of upstream messages wait for an answer; SendQueueBytes allows {limitBytes}");
            }
            if (!store.TryNextSendId(binding.UserState, time.GetUtcNow().ToUnixTimeMilliseconds(), out var id, out var error))
                throw new PushSendException(ReasonCode.NotStored, $"the store could not reserve a message id: {error.Message}");
            var send = new PendingSend(binding, id, type, kind, payload);
            binding.Pending.Add(id, send);
            _bytes += size;
            if (binding.Session is { } session)
                SendLocked(session, send);
            return send;
        }
    }

    /// <summary>The binding has a session: everything without an answer is sent there, in order.</summary>
    public void Attach(ClientSession session)
    {
        lock (_lock)
        {
            session.Binding.Session = session;
            foreach (var send in session.Binding.Pending.Values.ToArray())
                SendLocked(session, send);
        }
    }

    /// <summary>The session ended; a newer one of the binding is left alone.</summary>
    public void Detach(ClientSession session)
    {
        lock (_lock)
        {
            if (session.Binding.Session == session)
                session.Binding.Session = null;
        }
    }

    /// <summary>The session that the binding has now.</summary>
    public ClientSession? SessionOf(PushBinding binding)
    {
        lock (_lock)
            return binding.Session;
    }

    /// <summary>A SEND_OK. Returns the message that is to be sent again after the server's wait, if any.</summary>
    public PendingSend? Answered(ClientSession session, SendOkMessage answer)
    {
        PendingSend? send;
        lock (_lock)
        {
            if (!session.Binding.Pending.TryGetValue(answer.MessageId, out send))
                return null;
            // The server's binding had ended: the message goes out with the next one.
            if (answer.Code == ReasonCode.UnknownTarget)
                return null;
            if (answer.Code != ReasonCode.Ok && answer.RetryAfterMilliseconds > 0)
                return send;
            RemoveLocked(send);
        }
        if (answer.Code == ReasonCode.Ok)
            send.Completion.TrySetResult(send.Id);
        else
            send.Completion.TrySetException(new PushSendException(answer.Code, $"the server refused message {send.Id} of {send.Binding}: {answer.Code}"));
        return null;
    }

    /// <summary>Sends a message again if it still waits and the session is still the binding's.</summary>
    public void SendAgain(ClientSession session, PendingSend send)
    {
        lock (_lock)
        {
            if (session.Binding.Session == session && session.Binding.Pending.ContainsKey(send.Id))
                SendLocked(session, send);
        }
    }

    /// <summary>The caller gave it up.</summary>
    public void Cancel(PendingSend send)
    {
        lock (_lock)
            RemoveLocked(send);
    }

    /// <summary>Gives up everything of a binding.</summary>
    public void Fail(PushBinding binding, ReasonCode reason, string why)
    {
        PendingSend[] all;
        lock (_lock)
        {
            all = [.. binding.Pending.Values];
            foreach (var send in all)
                RemoveLocked(send);
        }
        foreach (var send in all)
            send.Completion.TrySetException(new PushSendException(reason, $"message {send.Id} of {binding} was given up: {why}"));
    }

    private void SendLocked(ClientSession session, PendingSend send)
    {
        var settings = session.Connection.Settings;
        if ((settings.Features & Features.Upstream) == 0)
        {
            RemoveLocked(send);
            send.Completion.TrySetException(new PushSendException(ReasonCode.NotSupported, "the server does not take upstream messages"));
        }
        else if (send.BodySize(session.Index) > settings.FrameLimit)
        {
            RemoveLocked(send);
            send.Completion.TrySetException(new PushSendException(ReasonCode.PayloadTooLarge,
                $"the message needs a frame of {send.BodySize(session.Index)} bytes; the server takes {settings.FrameLimit}"));
        }
        else
        {
            session.Connection.Send(session, send);
        }
    }

    private void RemoveLocked(PendingSend send)
    {
        if (send.Binding.Pending.Remove(send.Id))
            _bytes -= send.Size;
    }
}
