using PushSystem.Protocol;

namespace PushSystem.Loadtest.Clients;

/// <summary>The protocol side of a loop: what is written and what a received frame means.</summary>
internal sealed partial class ClientLoop
{
    private void WriteLogin(VirtualClient client)
    {
        Preface.Current.Write(_output);
        new LoginMessage($"device-{client.User}", "loadtest", NetworkType.Ethernet, Features.None, _settings.HeartbeatSeconds,
            [new BindRequest(_settings.App, client.User, _tickets(client.Number), Pull: false, client.Mailbox.Position, client.Broadcast.Position)])
            .Write(_output);
    }

    /// <summary>Handles every complete frame and returns the bytes used; stops early when the connection ended.</summary>
    private int HandleFrames(VirtualClient client, ReadOnlySpan<byte> input, long now)
    {
        var generation = client.Generation;
        var used = 0;
        while (FrameReader.TryReadHeader(input[used..], ProtocolLimits.MaxServerBody, out var opcode, out var critical, out var header, out var length)
            && input.Length - used - header >= length)
        {
            Handle(client, opcode, critical, input.Slice(used + header, length), now);
            used += header + length;
            if (client.Socket is null || client.Generation != generation)
                break;
        }
        return used;
    }

    private void Handle(VirtualClient client, Opcode opcode, bool critical, ReadOnlySpan<byte> body, long now)
    {
        switch (opcode)
        {
            case Opcode.Push:
                Pushed(client, PushMessage.Read(body), now);
                break;
            case Opcode.Reset:
                WasReset(client, ResetMessage.Read(body));
                break;
            case Opcode.LoginOk:
                LoggedIn(client, LoginOkMessage.Read(body), now);
                break;
            case Opcode.Pong:
                Stats.Pongs++;
                break;
            case Opcode.GoAway:
                var goAway = GoAwayMessage.Read(body);
                Lost(client, $"GOAWAY {goAway.Reason}", goAway.Advice == ReconnectAdvice.Stay,
                    goAway.Advice == ReconnectAdvice.Window ? Math.Max(goAway.WindowMilliseconds, 4) : 0);
                break;
            case Opcode.Error:
                var error = ErrorMessage.Read(body);
                Lost(client, $"ERROR {error.Code} {error.Text}", error.Advice == ReconnectAdvice.Stay,
                    error.Advice == ReconnectAdvice.Window ? Math.Max(error.WindowMilliseconds, 4) : 0);
                break;
            default:
                if (critical)
                    Lost(client, $"unknown critical frame {(byte)opcode}");
                break;
        }
    }

    private void LoggedIn(VirtualClient client, LoginOkMessage message, long now)
    {
        if (client.State != ClientState.LoggingIn)
            throw new ProtocolException(ReasonCode.UnexpectedFrame, "LOGIN_OK without LOGIN");
        if (message.Results.Count != 1)
            throw new ProtocolException(ReasonCode.BadFrame, $"LOGIN_OK has {message.Results.Count} results for 1 binding");
        var result = message.Results[0];
        if (result.Code != ReasonCode.Ok)
        {
            Lost(client, $"binding refused: {result.Code}", ReasonCodes.AdviceFor(result.Code) == ReconnectAdvice.Stay);
            return;
        }
        var settings = message.Settings;
        client.State = ClientState.Online;
        client.Failures = 0;
        client.AppIndex = result.AppIndex;
        client.AckCount = Math.Max(1, settings.AckCount);
        client.AckDelayMilliseconds = settings.AckDelayMilliseconds;
        client.AckQueued = false;
        client.HeartbeatSeconds = _settings.HeartbeatSeconds > 0
            ? Math.Min(_settings.HeartbeatSeconds, Math.Max(1, settings.HeartbeatMaxSeconds))
            : Math.Max(1, settings.HeartbeatDefaultSeconds);
        client.Mailbox.Open(result.Mailbox);
        client.Broadcast.Open(result.Broadcast);
        Stats.Logins++;
        Stats.Online++;
        Stats.LoginLatency.Record((long)_time.GetElapsedTime(client.ConnectedAt, now).TotalMicroseconds);
        // Spread the first PINGs, so that clients that came together do not ping together.
        _wheel.Set(client, _now + _random.NextInt64(client.HeartbeatSeconds * 500L, (client.HeartbeatSeconds * 1_000L) + 1));
    }

    private void Pushed(VirtualClient client, in PushMessage push, long now)
    {
        if (client.State != ClientState.Online || push.AppIndex != client.AppIndex)
            throw new ProtocolException(ReasonCode.UnknownTarget, $"PUSH for app index {push.AppIndex}, which was not given");
        Stats.Pushes++;
        if (!push.Transient && !push.Fetched)
        {
            ref var track = ref push.Stream == StreamKind.Mailbox ? ref client.Mailbox : ref client.Broadcast;
            switch (track.Take(push.Seq))
            {
                case StreamStep.Repeated:
                    Stats.Repeated++;
                    return;
                case StreamStep.Gap:
                    Stats.Gaps++;
                    break;
            }
        }
        _sink.Received(_number, client, push, now);
    }

    private void WasReset(VirtualClient client, in ResetMessage reset)
    {
        if (client.State != ClientState.Online || reset.AppIndex != client.AppIndex)
            throw new ProtocolException(ReasonCode.UnknownTarget, $"RESET for app index {reset.AppIndex}, which was not given");
        Stats.Resets++;
        Stats.Count($"RESET {reset.Reason}");
        ref var track = ref reset.Stream == StreamKind.Mailbox ? ref client.Mailbox : ref client.Broadcast;
        var skipped = track.Reset(reset.Epoch, reset.FirstSeq);
        _sink.Reset(_number, client, reset, skipped);
    }

    /// <summary>Acknowledges at once what is due by count, else notes the delay.</summary>
    private void AfterRead(VirtualClient client)
    {
        var most = Math.Max(client.Mailbox.Unacked, client.Broadcast.Unacked);
        if (most == 0)
            return;
        if (_settings.ImmediateAck || most >= client.AckCount || client.AckDelayMilliseconds == 0)
        {
            SendAcks(client);
        }
        else if (!client.AckQueued)
        {
            client.AckQueued = true;
            _acks.Enqueue((client, client.Generation, _now + client.AckDelayMilliseconds));
        }
    }

    private void SendDueAcks()
    {
        while (_acks.TryPeek(out var item) && item.Due <= _now)
        {
            _acks.Dequeue();
            if (item.Client.Generation != item.Generation || item.Client.State != ClientState.Online)
                continue;
            item.Client.AckQueued = false;
            SendAcks(item.Client);
        }
    }

    private void SendAcks(VirtualClient client)
    {
        WriteAck(client, ref client.Mailbox, StreamKind.Mailbox);
        WriteAck(client, ref client.Broadcast, StreamKind.Broadcast);
        if (_output.WrittenCount > 0)
            Send(client);
    }

    private void WriteAck(VirtualClient client, ref StreamTrack track, StreamKind stream)
    {
        if (track.Unacked == 0)
            return;
        track.Unacked = 0;
        Stats.Acks++;
        new AckMessage(client.AppIndex, stream, AckMessage.TagOf(track.Position.Epoch), track.Position.Seq).Write(_output);
    }

    private void SendPing(VirtualClient client)
    {
        Stats.Pings++;
        _wheel.Set(client, _now + (client.HeartbeatSeconds * 1_000L));
        // The interval is told once, in LOGIN; a PING without one keeps it.
        new PingMessage(0).Write(_output);
        Send(client);
    }
}
