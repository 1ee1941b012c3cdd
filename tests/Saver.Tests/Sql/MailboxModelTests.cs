using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Sql;

/// <summary>Thousands of random steps against <see cref="MailboxModel"/>, restarts and crashes included. One seed is one run.</summary>
public sealed class MailboxModelTests
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
    public Task The_store_behaves_as_the_model_with_everything_in_memory(int seed) => RunAsync(seed, 3_000, _ => { });

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public Task The_store_behaves_as_the_model_with_little_in_memory(int seed) => RunAsync(seed, 2_000, Forgetful.Configure);

    [Theory]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    public Task The_store_behaves_as_the_model_with_messages_on_both_sides(int seed) =>
        RunAsync(seed, 3_000, options => options.JournalMessages = 10);

    private static async Task RunAsync(int seed, int steps, Action<SaverOptions> configure)
    {
        await using var store = await SqlStoreUnderTest.OpenAsync(configure);
        await store.Apps.SaveAsync(new AppRecord { Id = App, Limits = Limits }, 0, CancellationToken.None);
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

    private sealed class Run(SqlStoreUnderTest store, Random random)
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
                < 30 => AppendAsync(),
                < 50 => AckAsync(user),
                < 62 => OpenAsync(user),
                < 76 => ReadAsync(user),
                < 80 => ParkAsync(user),
                < 88 => FindAsync(user),
                < 92 => SummaryAsync(user),
                < 95 => AdvanceAsync(),
                < 97 => SweepAsync(),
                < 98 => CrashAsync(),
                _ => ReopenAsync(),
            };
        }

        private async Task AppendAsync()
        {
            var drafts = Enumerable.Range(0, random.Next(1, 5)).Select(_ => (
                User: random.Next(Users), Text: new string((char)random.Next('a', 'z'), random.Next(0, 12)), Minutes: random.Next(1, 40))).ToList();
            Last = $"append {string.Join(' ', drafts)}";
            var reply = await store.Mailboxes.AppendAsync(
                new AppendRequest(App, Durability.Durable, [.. drafts.Select(draft => new MessageDraft(
                    $"user{draft.User}", PayloadKind.Text, System.Text.Encoding.ASCII.GetBytes(draft.Text), TimeSpan.FromMinutes(draft.Minutes)))], null),
                CancellationToken.None);
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
            await store.Mailboxes.AckAsync([new AckEntry(Key(user), StreamKind.Mailbox, Epoch(user), seq)], CancellationToken.None);
            _models[user].Ack(seq, Now);
        }

        private async Task OpenAsync(int user)
        {
            var model = _models[user];
            var sameEpoch = _firstEpochs[user] != 0 && random.Next(3) > 0;
            var seq = random.Next(20) == 0 ? model.Top + 2 : random.NextInt64(0, model.Acked + 3) is var near && near > model.Top ? model.Top : near;
            Last = $"open user{user} at {(sameEpoch ? seq : "nothing")} acked {model.Acked} top {model.Top}";
            var position = sameEpoch ? new StreamPosition(Epoch(user), seq) : default;
            var opening = (await store.Mailboxes.OpenAsync([new OpenRequest(Key(user), position, default)], CancellationToken.None))[0].Mailbox;
            var expected = model.Open(seq, sameEpoch, Now, Limits);
            Assert.Equal(expected, (opening.Seq, opening.Top, opening.Gap));
            Assert.Equal(Epoch(user, opening.Epoch), opening.Epoch);
        }

        private async Task ReadAsync(int user)
        {
            var model = _models[user];
            var from = random.NextInt64(1, model.Top + 2);
            Last = $"read user{user} from {from} acked {model.Acked} top {model.Top}";
            var lines = new List<string>();
            var next = from;
            while (next <= model.Top)
            {
                var reply = await store.Mailboxes.ReadAsync(
                    new ReadRequest(Key(user), Epoch(user), next, random.Next(1, 6), random.Next(1, 40)), CancellationToken.None);
                Assert.NotEmpty(reply.Entries);
                foreach (var entry in reply.Entries)
                {
                    if (entry.Gap == ResetReason.None)
                        Assert.Equal(next, entry.Seq);
                    for (; next <= entry.Seq; next++)
                        lines.Add(entry.Gap == ResetReason.None ? System.Text.Encoding.ASCII.GetString(entry.Payload.Span) : $"{entry.Gap}");
                }
                Assert.Equal(model.Top, reply.Top);
            }
            Assert.Equal(model.Read(from, Now), lines);
        }

        private async Task ParkAsync(int user)
        {
            var seq = random.Next(2) == 0 ? _models[user].Acked + 1 : random.NextInt64(1, _models[user].Top + 2);
            Last = $"park user{user} {seq}";
            if (_firstEpochs[user] == 0)
                return;
            await store.Mailboxes.ParkAsync(Key(user), Epoch(user), seq, CancellationToken.None);
            _models[user].Park(seq, Now);
        }

        private async Task FindAsync(int user)
        {
            if (_firstEpochs[user] == 0)
                return;
            var seq = random.NextInt64(0, _models[user].Top + 2);
            Last = $"find user{user} {seq}";
            var state = (await store.Mailboxes.FindAsync(Key(user), Epoch(user), seq, CancellationToken.None)).State;
            var expected = _models[user].Find(seq, Now);
            if (_models[user].IsAmbiguous(seq))
                Assert.Contains(state, (MessageState[])[MessageState.Acked, MessageState.Expired, MessageState.Unknown]);
            else if (seq > _models[user].Acked || state != MessageState.Unknown)
                Assert.Equal(expected, state);
        }

        private async Task SummaryAsync(int user)
        {
            Last = $"summary user{user}";
            var summary = await store.Mailboxes.SummaryAsync(Key(user), CancellationToken.None);
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

        private Task SweepAsync()
        {
            Last = "sweep";
            return store.SweepAsync();
        }

        private Task ReopenAsync()
        {
            Last = "reopen";
            return store.ReopenAsync();
        }

        private async Task CrashAsync()
        {
            Last = "crash";
            // Acknowledgements may be lost in a crash; the model has no word for that, so they are committed first.
            await store.FlushAsync();
            await store.CrashAsync();
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
