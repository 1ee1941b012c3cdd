using PushSystem.Loadtest.Api;
using PushSystem.Loadtest.Checks;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>
/// Sends to its own share of the users, one request at a time, so that the order of each user's messages is known.
/// One task runs it; its ledgers are written by nobody else. Owns its buffers.
/// </summary>
internal sealed class UnicastSender
{
    private readonly UnicastSettings _settings;
    private readonly DeliveryChecker _checker;
    private readonly PushApi _api;
    private readonly TimeProvider _time;
    private readonly int _first, _step, _users;
    private readonly long _budget;
    private readonly MessageBody _body;
    private readonly byte[] _answer;
    private readonly (int User, long Number)[] _batch;
    private readonly long[] _numbers;
    private int _next;

    public UnicastSender(int sender, int senders, CommonSettings common, UnicastSettings settings, DeliveryChecker checker, PushApi api, TimeProvider time)
    {
        (_settings, _checker, _api, _time) = (settings, checker, api, time);
        (_first, _step) = (sender, senders);
        _users = (common.Clients - sender + senders - 1) / senders;
        _numbers = new long[_users];
        _batch = new (int, long)[settings.Batch];
        _body = new MessageBody(common.UserPrefix, common.Offset, settings.Level, settings.Size, settings.Batch);
        _answer = new byte[4_096 + (settings.Batch * 192)];
        _budget = settings.Count == 0 ? long.MaxValue : (settings.Count - sender + senders - 1) / senders;
    }

    public SenderStats Stats { get; } = new();

    /// <summary>Runs until the number is reached or <paramref name="until"/> (a timestamp) has passed.</summary>
    public async Task RunAsync(long started, long until, CancellationToken cancellationToken)
    {
        // With a rate the schedule is fixed beforehand: a slow server makes requests late, never rarer, and lateness counts.
        var interval = _settings.Rate == 0 ? 0 : (double)_settings.Batch * _step / _settings.Rate * _time.TimestampFrequency;
        var phase = interval * _first / _step;
        for (long turn = 0; Stats.Sent < _budget; turn++)
        {
            var intended = interval == 0 ? _time.GetTimestamp() : started + (long)(phase + (turn * interval));
            if (intended >= until)
                return;
            if (interval > 0)
                await UntilAsync(intended, cancellationToken);
            else if (cancellationToken.IsCancellationRequested)
                return;
            await SendAsync((int)Math.Min(_settings.Batch, _budget - Stats.Sent), intended, cancellationToken);
        }
    }

    private async ValueTask UntilAsync(long timestamp, CancellationToken cancellationToken)
    {
        var wait = _time.GetElapsedTime(_time.GetTimestamp(), timestamp);
        if (wait > TimeSpan.Zero)
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(wait.TotalMilliseconds)), _time, cancellationToken);
    }

    private async ValueTask SendAsync(int count, long intended, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> body;
        if (_settings.Batch > 1)
            _body.BeginBatch();
        for (var i = 0; i < count; i++)
        {
            var slot = _next;
            _next = _next + 1 == _users ? 0 : _next + 1;
            var user = _first + (slot * _step);
            var number = ++_numbers[slot];
            _batch[i] = (user, number);
            _checker.Sending(user, number);
            if (_settings.Batch > 1)
                _body.Add(user, _checker.Stamp(user, number, intended));
        }
        body = _settings.Batch > 1 ? _body.EndBatch() : _body.Single(_batch[0].User, _checker.Stamp(_batch[0].User, _batch[0].Number, intended));
        Stats.Requests++;
        Stats.Sent += count;
        ApiReply reply;
        try
        {
            reply = await _api.PostAsync(_settings.Batch > 1 ? "/v1/messages/batch" : "/v1/messages", body, _answer, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Note(count, unknown: true);
            throw;
        }
        Stats.ApiLatency.Record((long)_time.GetElapsedTime(intended, _time.GetTimestamp()).TotalMicroseconds);
        if (reply.Succeeded)
        {
            Note(count, unknown: false);
            if (!_settings.Guaranteed)
                Stats.Delivered += CountOf(_answer.AsSpan(0, reply.Length), "\"delivered\":true"u8);
            return;
        }
        Stats.Count(reply.Error);
        if (reply.Refused)
            Stats.Refused += count;
        else
            Note(count, unknown: true);
        // A server that says no is not asked again at once.
        await Task.Delay(TimeSpan.FromMilliseconds(50), _time, cancellationToken);
    }

    private void Note(int count, bool unknown)
    {
        for (var i = 0; i < count; i++)
        {
            var (user, number) = _batch[i];
            if (unknown)
                _checker[user].Unknown.Add(number);
            else if (_settings.Guaranteed)
                _checker[user].Accepted.Add(number);
        }
        if (unknown)
            Stats.Unknown += count;
        else
            Stats.Accepted += count;
    }

    private static int CountOf(ReadOnlySpan<byte> text, ReadOnlySpan<byte> part)
    {
        var count = 0;
        for (var at = text.IndexOf(part); at >= 0; at = text.IndexOf(part))
        {
            count++;
            text = text[(at + part.Length)..];
        }
        return count;
    }
}
