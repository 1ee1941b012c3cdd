using System.Buffers;
using System.Runtime.CompilerServices;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>
/// Decodes the frames of the native protocol and turns them into calls. Owned by its shard, used on its turn only; nothing needs
/// disposal. A frame that has to wait stays in the input, and receiving is paused until it may be read again.
/// </summary>
internal sealed class NativeProtocol(RoomShard shard)
{
    public void Received(ConnectionRef connection, ref ReadOnlySequence<byte> input)
    {
        try
        {
            while (!input.IsEmpty && TakeOne(connection, ref input))
            {
            }
        }
        catch (ProtocolException exception)
        {
            input = input.Slice(input.End);
            shard.Lifecycle.Fail(connection, exception.Code, exception.Message);
        }
    }

    // False: nothing more can be taken now.
    private bool TakeOne(ConnectionRef connection, ref ReadOnlySequence<byte> input)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
        {
            input = input.Slice(input.End);
            return false;
        }
        if (state.IsPaused)
            return false;
        switch (state.Phase)
        {
            case ConnectionPhase.Preface:
                return TakePreface(connection, ref state, ref input);
            case ConnectionPhase.Login:
                if (!FrameReader.TryRead(ref input, shard.Options.LoginBodyBytes, out var first))
                    return false;
                TakeFirst(connection, ref state, first);
                return true;
            case ConnectionPhase.Ready:
                var rest = input;
                if (!FrameReader.TryRead(ref rest, shard.Options.ClientBodyBytes, out var frame))
                    return false;
                if (!TakeToken(ref state))
                {
                    shard.Room.Metrics.Refused(ReasonCode.RateLimited);
                    shard.Lifecycle.Fail(connection, ReasonCode.RateLimited,
                        $"more than {shard.Options.FramesPerSecond} frames a second", shard.Options.RetryWindow);
                    input = input.Slice(input.End);
                    return false;
                }
                if (!Handle(connection, ref state, frame))
                {
                    state.FrameTokens++; // It is read again.
                    return false;
                }
                input = rest;
                shard.Lifecycle.Renew(connection);
                return true;
            default:
                return false;
        }
    }

    private bool TakePreface(ConnectionRef connection, ref ConnectionState state, ref ReadOnlySequence<byte> input)
    {
        if (!Preface.TryRead(ref input, out var preface))
            return false;
        state.Version = preface.Negotiate(Preface.CurrentVersion, Preface.CurrentVersion);
        if (state.Version == 0)
        {
            shard.Lifecycle.Fail(connection, ReasonCode.UnsupportedVersion,
                $"versions {preface.LowestVersion} to {preface.HighestVersion} are not supported; this server speaks {Preface.CurrentVersion}");
            return true;
        }
        state.Phase = ConnectionPhase.Login;
        return true;
    }

    private void TakeFirst(ConnectionRef connection, ref ConnectionState state, in Frame frame)
    {
        using var body = new FrameBody(frame.Body);
        switch (frame.Opcode)
        {
            case Opcode.Login:
                shard.Binder.Login(connection, LoginMessage.Read(body.Span));
                break;
            case Opcode.Resume when !state.ResumeRefused:
                shard.Resumption.Resume(connection, ResumeMessage.Read(body.Span));
                break;
            default:
                if (IsKnown(frame.Opcode))
                    Unexpected(connection, frame.Opcode);
                else
                    SkipUnknown(connection, frame);
                break;
        }
    }

    // False: the frame has to wait; receiving was paused.
    private bool Handle(ConnectionRef connection, ref ConnectionState state, in Frame frame)
    {
        using var body = new FrameBody(frame.Body);
        switch (frame.Opcode)
        {
            case Opcode.Ping:
                TakePing(connection, ref state, PingMessage.Read(body.Span));
                return true;
            case Opcode.Ack:
                var ack = AckMessage.Read(body.Span);
                if (!shard.Deliverer.Ack(state.Client, ack.AppIndex, ack.Stream, ack.EpochTag, ack.Seq, out var moved))
                    UnknownTarget(connection, $"ACK of app index {ack.AppIndex}, seq {ack.Seq}: never sent on this connection");
                // There are as many of these as the server's own pushes call for: they do not count against the client's frame rate.
                if (moved)
                    state.FrameTokens++;
                return true;
            case Opcode.Bind:
                return shard.Binder.Bind(connection, BindMessage.Read(body.Span));
            case Opcode.Unbind:
                TakeUnbind(connection, UnbindMessage.Read(body.Span).AppIndex);
                return true;
            case Opcode.Send:
                return TakeSend(connection, SendMessage.Read(body.Span));
            case Opcode.Fetch:
                if (!shard.Fetches.Start(connection, FetchMessage.Read(body.Span)))
                    UnknownTarget(connection, "FETCH of an app index that was never given");
                return true;
            case Opcode.Subscribe or Opcode.Unsubscribe:
                shard.Output.SubscribeDone(connection, SubscribeMessage.Read(body.Span).RequestId, ReasonCode.NotSupported);
                return true;
            default:
                if (IsKnown(frame.Opcode))
                    Unexpected(connection, frame.Opcode);
                else
                    SkipUnknown(connection, frame);
                return true;
        }
    }

    private void TakePing(ConnectionRef connection, ref ConnectionState state, PingMessage ping)
    {
        var asked = ping.NextIntervalSeconds;
        if (asked == 0 || shard.Lifecycle.SetInterval(ref state, asked) == asked)
            shard.Output.Pong(connection, 0, 0);
        else
            shard.Output.Pong(connection, (int)shard.Options.HeartbeatMin.TotalSeconds, (int)shard.Options.HeartbeatMax.TotalSeconds);
    }

    private void TakeUnbind(ConnectionRef connection, int appIndex)
    {
        if (shard.Ender.Unbind(connection, appIndex))
            shard.Output.UnbindDone(connection, appIndex);
        else
            UnknownTarget(connection, $"UNBIND of app index {appIndex}: never given on this connection");
    }

    private bool TakeSend(ConnectionRef connection, in SendMessage message)
    {
        switch (shard.Upstream.Submit(connection, message.AppIndex, message.MessageId, message.Type, message.Kind, message.Payload))
        {
            case SubmitOutcome.Wait:
                return false;
            case SubmitOutcome.Unknown:
                UnknownTarget(connection, $"SEND for app index {message.AppIndex}: never given on this connection");
                return true;
            default:
                return true;
        }
    }

    private bool TakeToken(ref ConnectionState state)
    {
        var now = shard.Now;
        if (now > state.FrameTokensAt)
        {
            state.FrameTokens = Math.Min(shard.Options.FrameBurst, state.FrameTokens + (now - state.FrameTokensAt) * shard.Options.FramesPerSecond / 1000f);
            state.FrameTokensAt = now;
        }
        if (state.FrameTokens < 1)
            return false;
        state.FrameTokens--;
        return true;
    }

    private void UnknownTarget(ConnectionRef connection, string text) => shard.Lifecycle.Fail(connection, ReasonCode.UnknownTarget, text);

    private void Unexpected(ConnectionRef connection, Opcode opcode) =>
        shard.Lifecycle.Fail(connection, ReasonCode.UnexpectedFrame, $"frame {(byte)opcode} is not allowed now");

    private void SkipUnknown(ConnectionRef connection, in Frame frame)
    {
        if (frame.Critical)
            shard.Lifecycle.Fail(connection, ReasonCode.UnsupportedFrame, $"critical frame {(byte)frame.Opcode} is not known");
    }

    private static bool IsKnown(Opcode opcode) => opcode is >= Opcode.Login and <= Opcode.FetchOk;
}
