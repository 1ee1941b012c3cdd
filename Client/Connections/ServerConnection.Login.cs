using System.Buffers;
using PushSystem.Client.Delivery;
using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

// From the preface to the first session.
internal sealed partial class ServerConnection
{
    private const string Sdk = "dotnet/0.1";
    private readonly List<OpenedItem> _opened = [];
    private readonly List<(PushBinding Binding, BindResult Result)> _refused = [];

    /// <summary>
    /// Sends the preface and RESUME or LOGIN and waits for the answer. A refused RESUME is followed by LOGIN with the tickets at hand. Null:
    /// online. Otherwise why not.
    /// </summary>
    public async Task<ConnectionEnd?> LoginAsync(
        ResumeOffer? resume, IReadOnlyList<(PushBinding Binding, byte[] Ticket)> bindings, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(_context.Options.LoginTimeout, _context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop, _ended);
        StartSending();
        try
        {
            if (resume is null || !await ResumeAsync(resume, either.Token))
                await LoginAsync(bindings, withPreface: resume is null, either.Token);
            return HasEnded ? await _end.Task : null;
        }
        catch (OperationCanceledException)
        {
            End(stop.IsCancellationRequested
                ? ConnectionEnd.Stopping
                : ConnectionEnd.Lost($"no answer to the login within {_context.Options.LoginTimeout.TotalSeconds} s"));
        }
        catch (ProtocolException e)
        {
            Violation(e.Message);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            End(ConnectionEnd.Lost($"the connection broke during the login: {e.Message}"));
        }
        return await _end.Task;
    }

    // Opens the sessions that the login gave and starts attempts for the bindings that it did not.
    private async Task BeginAsync()
    {
        foreach (var item in _opened)
        {
            if (_context.Queue.TryAdd(item) is { } room)
                await AddLaterAsync(item, room);
            Opened(item.Session);
        }
        foreach (var (binding, result) in _refused)
            Ensure(binding, result);
        foreach (var binding in _context.Bindings.Wanted)
            Ensure(binding);
    }

    private async Task<bool> ResumeAsync(ResumeOffer resume, CancellationToken cancellationToken)
    {
        var positions = resume.Sessions.Select(s => new ResumePosition(s.Index, s.Binding.Mailbox.Position, s.Binding.Broadcast.Position));
        var message = new ResumeMessage(resume.Ticket, 0, [.. positions]);
        _output.Write(output =>
        {
            Preface.Current.Write(output);
            message.Write(output);
        });
        var answer = ResumeOkMessage.Read(await ReadAnswerAsync(Opcode.ResumeOk, cancellationToken));
        if (answer.Code != ReasonCode.Ok)
            return false;
        Online(answer.Settings!);
        foreach (var old in resume.Sessions)
        {
            var session = new ClientSession(this, old.Binding, old.Index, _context.Time.GetTimestamp());
            lock (_lock)
                _sessions.Add(old.Index, session);
            _opened.Add(new OpenedItem(session, null, null));
        }
        return true;
    }

    private async Task LoginAsync(
        IReadOnlyList<(PushBinding Binding, byte[] Ticket)> bindings, bool withPreface, CancellationToken cancellationToken)
    {
        var message = new LoginMessage(_context.Options.Device, Sdk, _context.Options.Network, Features.Resume | Features.Upstream, 0,
            [.. bindings.Select(b => RequestFor(b.Binding, b.Ticket))]);
        _output.Write(output =>
        {
            if (withPreface)
                Preface.Current.Write(output);
            message.Write(output);
        });
        var answer = LoginOkMessage.Read(await ReadAnswerAsync(Opcode.LoginOk, cancellationToken));
        if (answer.Results.Count != bindings.Count)
            throw new ProtocolException(ReasonCode.BadFrame, $"LOGIN_OK has {answer.Results.Count} results for {bindings.Count} bindings");
        Online(answer.Settings);
        for (var i = 0; i < bindings.Count; i++)
        {
            if (answer.Results[i].Code == ReasonCode.Ok)
                _opened.Add(Open(bindings[i].Binding, answer.Results[i]));
            else
                _refused.Add((bindings[i].Binding, answer.Results[i]));
        }
    }

    private void Online(SessionSettings settings)
    {
        if (settings.Version != Preface.CurrentVersion)
            throw new ProtocolException(ReasonCode.UnsupportedVersion, $"the server chose version {settings.Version}, which was not offered");
        Settings = settings;
        OnlineSince = _context.Time.GetTimestamp();
        Acks = new AckBatcher(settings, _context, _output.Wake);
        _output.Acks = Acks;
    }

    // The body of the frame awaited; unknown frames before it are skipped, an ERROR or GOAWAY ends the connection.
    private async Task<byte[]> ReadAnswerAsync(Opcode expected, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            Volatile.Write(ref _reads, _reads + 1);
            while (FrameReader.TryRead(ref buffer, ProtocolLimits.MaxServerBody, out var frame))
            {
                var body = frame.Body.ToArray();
                switch (frame.Opcode)
                {
                    case Opcode.Error:
                        End(ConnectionEnd.From(ErrorMessage.Read(body)));
                        break;
                    case Opcode.GoAway when GoAwayMessage.Read(body) is { AppIndex: null } goAway:
                        NamedAddresses = goAway.Addresses;
                        End(ConnectionEnd.From(goAway));
                        break;
                    case var opcode when opcode == expected:
                        _reader.AdvanceTo(buffer.Start);
                        return body;
                    case > Opcode.FetchOk when !frame.Critical:
                        continue;
                    default:
                        throw new ProtocolException(ReasonCode.UnexpectedFrame, $"the server sent frame {frame.Opcode} before {expected}");
                }
                cancellationToken.ThrowIfCancellationRequested();
            }
            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
                throw new IOException("the server closed the connection");
        }
    }
}
