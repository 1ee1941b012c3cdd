using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Sql;

namespace PushSystem.Saver.Tests.Redis;

/// <summary>Random steps against <see cref="MailboxModel"/>, restarts and crashes included. One seed is one run.</summary>
[Collection("mailboxes over redis")]
public sealed class RedisModelTests(RedisServers servers)
{
    private const string App = "shop";
    private const int Users = 4;

    private static readonly AppLimits Limits = new()
    {
        MailboxMessages = 12,
        MailboxBytes = 60,
        MailboxAge = TimeSpan.FromMinutes(30),
        DeliveryAttempts = 3,
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public Task The_store_behaves_as_the_model(int seed) => RunAsync(seed, 1_500, _ => { });

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public Task The_store_behaves_as_the_model_with_next_to_nothing_in_memory(int seed) =>
        RunAsync(seed, 1_000, RedisMailboxAppendWithoutMemoryTests.Forgetful);

    private async Task RunAsync(int seed, int steps, Action<ClusterSaverOptions> configure)
    {
        await using var store = await RedisStoreUnderTest.OpenAsync(servers, 2, configure);
        await store.Apps.SaveAsync(new AppRecord { Id = App, Limits = Limits }, 0, default);
        var run = new Run(store, new Random(seed));
        for (var step = 0; step < steps; step++)
        {
            try
            {
                await run.StepAsync();
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"seed {seed}, step {step}: {run.Last}", exception);
            }
        }
        Assert.True(run.Appended > steps / 4, "the run did not append enough to mean anything");
    }

    private sealed class Run(RedisStoreUnderTest store, Random random)
    {
        private readonly MailboxModel[] _models = [.. Enumerable.Range(0, Users).Select(_ => new MailboxModel())];
        private readonly uint[] _firstEpochs = new uint[Users];

        public int Appended { get; private set; }
        public string Last { get; private set; } = "";

        private long Now => store.Clock.GetUtcNow().ToUnixTimeMilliseconds();

        public Task StepAsync()
        {
            var user = random.Next(Users);
            return random.Next(100) switch
            {
                < 32 => AppendAsync(),
                < 52 => AckAsync(user),
                < 64 => OpenAsync(user),
                < 78 => ReadAsync(user),
                < 82 => ParkAsync(user),
                < 90 => FindAsync(user),
                < 94 => SummaryAsync(user),
                < 97 => AdvanceAsync(),
                < 98 => CrashAsync(),
                _ => ReopenAsync(),
            };
        }

        private async Task AppendAsync()
        {
            var drafts = Enumerable.Range(0, random.Next(1, 5)).Select(_ => (
                User: random.Next(Users), Text: new string((char)random.Next('a', 'z'), random.Next(0, 12)), Minutes: random.Next(1, 40))).ToList();
            Last = $"append {string.Join(' ', drafts)}";
            var level = random.Next(4) == 0 ? Durability.Durable : Durability.Stored;
            var reply = await store.Mailboxes.AppendAsync(
                new AppendRequest(App, level, [.. drafts.Select(draft => new MessageDraft(
                    $"user{draft.User}", PayloadKind.Text, System.Text.Encoding.ASCII.GetBytes(draft.Text), TimeSpan.FromMinutes(draft.Minutes)))], null),
                default);
            for (var i = 0; i < drafts.Count; i++)
            {
                var (user, text, minutes) = drafts[i];
                _models[user].Append(text, Now, Now + (Math.Min(minutes, 30) * 60_000), Limits);
                Assert.Equal((_models[user].Top, Epoch(user, reply.Results[i].Epoch)), (reply.Results[i].Seq, reply.Results[i].Epoch));
                Appended++;
            }
        }

        private async Task AckAsync(int user)
        {
            var seq = random.NextInt64(0, _models[user].Top + 3);
            Last = $"ack user{user} {seq} of {_models[user].Top}";
            await store.Mailboxes.AckAsync([new AckEntry(Key(user), StreamKind.Mailbox, Epoch(user), seq)], default);
            // What comes together counts as one: the highest. The model takes them one by one.
            await store.FlushAsync();
            _models[user].Ack(seq, Now);
        }

        private async Task OpenAsync(int user)
        {
            var model = _models[user];
            var sameEpoch = _firstEpochs[user] != 0 && random.Next(3) > 0;
            var seq = random.Next(20) == 0 ? model.Top + 2 : random.NextInt64(0, model.Acked + 3) is var near && near > model.Top ? model.Top : near;
            Last = $"open user{user} at {(sameEpoch ? seq : "nothing")} acked {model.Acked} top {model.Top}";
            var position = sameEpoch ? new StreamPosition(Epoch(user), seq) : default;
            var opening = (await store.Mailboxes.OpenAsync([new OpenRequest(Key(user), position, default)], default))[0].Mailbox;
            Assert.Equal(model.Open(seq, sameEpoch, Now, Limits), (opening.Seq, opening.Top, opening.Gap));
            Assert.Equal(Epoch(user, opening.Epoch), opening.Epoch);
        }

        private async Task ReadAsync(int user)
        {
            var model = _models[user];
            var from = random.NextInt64(1, model.Top + 2);
            Last = $"read user{user} from {from} acked {model.Acked} top {model.Top}";
            var lines = new List<string>();
            for (var next = from; next <= model.Top;)
            {
                var reply = await store.Mailboxes.ReadAsync(
                    new ReadRequest(Key(user), Epoch(user), next, random.Next(1, 6), random.Next(1, 40)), default);
                Assert.NotEmpty(reply.Entries);
                Assert.Equal(model.Top, reply.Top);
                foreach (var entry in reply.Entries)
                {
                    for (; entry.Gap != ResetReason.None && next <= entry.Seq; next++)
                        lines.Add($"{entry.Gap}");
                    if (entry.Gap == ResetReason.None)
                        lines.Add(System.Text.Encoding.ASCII.GetString(entry.Payload.Span));
                    next = entry.Seq + 1;
                }
            }
            Assert.Equal(model.Read(from, Now), lines);
        }

        private async Task ParkAsync(int user)
        {
            var seq = random.Next(2) == 0 ? _models[user].Acked + 1 : random.NextInt64(1, _models[user].Top + 2);
            Last = $"park user{user} {seq}";
            if (_firstEpochs[user] == 0)
                return;
            await store.Mailboxes.ParkAsync(Key(user), Epoch(user), seq, default);
            _models[user].Park(seq, Now);
        }

        private async Task FindAsync(int user)
        {
            if (_firstEpochs[user] == 0)
                return;
            var seq = random.NextInt64(0, _models[user].Top + 2);
            Last = $"find user{user} {seq}";
            var state = (await store.Mailboxes.FindAsync(Key(user), Epoch(user), seq, default)).State;
            if (_models[user].IsAmbiguous(seq))
                Assert.Contains(state, (MessageState[])[MessageState.Acked, MessageState.Expired, MessageState.Unknown]);
            else if (seq > _models[user].Acked || state != MessageState.Unknown)
                Assert.Equal(_models[user].Find(seq, Now), state);
        }

        private async Task SummaryAsync(int user)
        {
            Last = $"summary user{user}";
            var summary = await store.Mailboxes.SummaryAsync(Key(user), default);
            if (!_models[user].IsKnown)
            {
                Assert.Null(summary);
                return;
            }
            var (count, bytes) = _models[user].Pending(Now);
            Assert.Equal((_models[user].Acked, _models[user].Top, count, bytes), (summary!.Acked, summary.Top, summary.PendingMessages, summary.PendingBytes));
        }

        private Task AdvanceAsync()
        {
            var minutes = random.Next(1, 15);
            Last = $"advance {minutes} min";
            store.Clock.Advance(TimeSpan.FromMinutes(minutes));
            return Task.CompletedTask;
        }

        private Task ReopenAsync()
        {
            Last = "reopen";
            return store.ReopenAsync();
        }

        private Task CrashAsync()
        {
            Last = "crash";
            return store.CrashAsync();
        }

        // The model counts epochs from the one that the store gave first.
        private uint Epoch(int user, uint seen = 0)
        {
            if (_firstEpochs[user] == 0 && seen != 0)
                _firstEpochs[user] = seen - (uint)_models[user].EpochsEnded;
            return _firstEpochs[user] == 0 ? 0 : _firstEpochs[user] + (uint)_models[user].EpochsEnded;
        }

        private static UserKey Key(int user) => new(App, $"user{user}");
    }
}
