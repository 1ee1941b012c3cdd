using System.Collections.Concurrent;
using StackExchange.Redis;

namespace PushSystem.Redis;

/// <summary>
/// What each master said of the data it stands on, kept for a second and never over a change of connections. Any thread; one
/// question per slot is under way at a time. Owned by <see cref="RedisLink"/>.
/// </summary>
internal sealed class DataIds(TimeProvider time, Func<RedisKey, Task<string>> ask)
{
    /// <summary>
    /// Asked by a script, because a script goes where the writes with that key go, whatever moved meanwhile. A server that is no
    /// master is refused as a write would be.
    /// </summary>
    public static readonly RedisScript Script = new("data-id.1", """
        local replication = redis.call('INFO', 'replication')
        if string.match(replication, 'role:(%a+)') ~= 'master' then
            return redis.error_reply('READONLY not a master')
        end
        return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '-' .. string.match(replication, 'master_replid:(%x+)')
        """);

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<int, Answer> _answers = new();
    private long _epoch;

    /// <summary>What was said before counts no more.</summary>
    public void Forget() => Interlocked.Increment(ref _epoch);

    public async ValueTask<string> GetAsync(int slot, RedisKey key, CancellationToken cancellationToken)
    {
        while (true)
        {
            var epoch = Interlocked.Read(ref _epoch);
            if (!_answers.TryGetValue(slot, out var answer) || answer.Epoch != epoch || answer.Task.IsFaulted || answer.Task.IsCanceled
                || time.GetElapsedTime(answer.Asked) >= Fresh)
            {
                var next = new Answer(epoch, time.GetTimestamp());
                if (answer is null ? !_answers.TryAdd(slot, next) : !_answers.TryUpdate(slot, next, answer))
                    continue;
                next.Begin(ask(key));
                answer = next;
            }
            var id = await answer.Task.WaitAsync(cancellationToken);
            if (Interlocked.Read(ref _epoch) == epoch)
                return id;
        }
    }

    private sealed class Answer(long epoch, long asked)
    {
        private readonly TaskCompletionSource<string> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long Epoch { get; } = epoch;

        public long Asked { get; } = asked;

        public Task<string> Task => _source.Task;

        public async void Begin(Task<string> asking)
        {
            try
            {
                _source.SetResult(await asking);
            }
            catch (Exception exception)
            {
                _source.SetException(exception);
                // Nobody may be waiting any more.
                _ = _source.Task.Exception;
            }
        }
    }
}
