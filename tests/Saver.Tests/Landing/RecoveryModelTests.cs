using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Tests.Redis;

namespace PushSystem.Saver.Tests.Landing;

/// <summary>
/// Random runs with clients that keep their position, while redis is killed, emptied, the landing tier is killed and savers die. What was
/// accepted as durable comes exactly once and in order; what was only stored comes at most once, and always unless redis loses its data
/// after the saver that accepted it died or lost the partition, before it has landed. One seed is one run.
/// </summary>
[Collection("faults of redis and landing tier")]
public sealed class RecoveryModelTests(RedisServers servers)
{
    private const int Users = 5, Steps = 160;

    /// <summary>PUSH_RECOVERY_SEEDS says how many runs; default 2.</summary>
    public static TheoryData<int> Seeds =>
        [.. Enumerable.Range(1, int.TryParse(Environment.GetEnvironmentVariable("PUSH_RECOVERY_SEEDS"), out var runs) ? runs : 2)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Nothing_durable_is_lost_and_nothing_comes_twice(int seed)
    {
        await using var rig = await SaverRig.StartAsync(servers, 2);
        var run = new Run(servers, rig, new Random(seed));
        await run.StartAsync();
        for (var step = 0; step < Steps; step++)
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
        await run.FinishAsync($"seed {seed}");
    }

    private sealed class Run(MailboxServers servers, SaverRig rig, Random random)
    {
        private readonly List<Message>[] _sent = [.. Enumerable.Range(0, Users).Select(_ => new List<Message>())];
        private readonly List<string>[] _seen = [.. Enumerable.Range(0, Users).Select(_ => new List<string>())];
        private readonly StreamPosition[] _clients = new StreamPosition[Users];
        private readonly HashSet<(uint Epoch, long Seq, int User)> _numbers = [];
        private Saver _saver = null!;
        private int _next;
        // Grows when what only the saver's memory has may be gone.
        private int _generation;

        public string Last { get; private set; } = "";

        public async Task StartAsync() => _saver = await rig.AddAsync(options =>
        {
            options.LandingLinger = TimeSpan.FromMilliseconds(random.Next(5, 400));
            options.FillUsers = 2;
        });

        public Task StepAsync()
        {
            var user = random.Next(Users);
            return random.Next(100) switch
            {
                < 35 => AppendAsync(user, Durability.Durable),
                < 55 => AppendAsync(user, Durability.Stored),
                < 85 => DeliverAsync(user, random.Next(1, 6)),
                < 89 => RestartAsync(),
                < 92 => WipeAsync(),
                < 94 => ReplaceAsync(),
                < 96 => LoseBothAsync(),
                < 98 => StealAsync(),
                _ => KillLandingAsync(),
            };
        }

        public async Task FinishAsync(string run)
        {
            for (var user = 0; user < Users; user++)
            {
                await DeliverAsync(user, int.MaxValue);
                Assert.Equal(_seen[user].Distinct(), _seen[user]);
                Assert.Equal(_seen[user].Select(int.Parse).Order().Select(number => $"{number}"), _seen[user]);
                var lost = _sent[user].Where(message => message.MustCome && !_seen[user].Contains(message.Text)).ToList();
                Assert.True(lost.Count == 0, $"{run}, user{user}: lost {string.Join(", ", lost)}");
            }
        }

        private async Task AppendAsync(int user, Durability level)
        {
            string[] texts = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"{++_next}")];
            Last = $"append {level} user{user} {string.Join(' ', texts)}";
            var results = await Saver.UntilItWorksAsync(() => _saver.SendAsync($"user{user}", level, texts), Last);
            _sent[user].AddRange(texts.Select(text => new Message(text, level, _generation)));
            foreach (var result in results)
                Assert.True(_numbers.Add((result.Epoch, result.Seq, user)), $"number {result.Seq} of epoch {result.Epoch} was given twice to user{user}");
        }

        /// <summary>Connects, takes some messages, and goes away, with or without having acknowledged them.</summary>
        private async Task DeliverAsync(int user, int most)
        {
            Last = $"deliver {most} to user{user} at {_clients[user]}";
            var name = $"user{user}";
            var opening = await _saver.OpenAsync(name, _clients[user].Epoch, _clients[user].Seq);
            if (opening.Epoch != _clients[user].Epoch)
                Assert.True(_clients[user].Epoch == 0 || opening.Gap == ResetReason.DataLoss, "an epoch changed without being told");
            _clients[user] = new StreamPosition(opening.Epoch, opening.Seq);
            var reply = await Saver.UntilItWorksAsync(async () => await _saver.Mailboxes.ReadAsync(
                new ReadRequest(SaverRig.Key(name), opening.Epoch, opening.Seq + 1, 1_000, 1 << 20), default), Last);
            Assert.Equal(opening.Epoch, reply.Epoch);
            foreach (var entry in reply.Entries.Take(most))
            {
                if (entry.Gap == ResetReason.None)
                    _seen[user].Add(System.Text.Encoding.UTF8.GetString(entry.Payload.Span));
                _clients[user] = new StreamPosition(opening.Epoch, entry.Seq);
            }
            if (random.Next(2) == 0)
                await _saver.AckAsync(name, opening.Epoch, _clients[user].Seq);
        }

        private async Task RestartAsync()
        {
            Last = "restart redis";
            await ((RedisServers)servers).Redis.Kill();
            await ((RedisServers)servers).Redis.RestartAsync();
        }

        private async Task WipeAsync()
        {
            Last = "empty redis";
            await ExcuseAsync();
            await ((RedisServers)servers).Redis.WipeAndRestartAsync();
        }

        /// <summary>Of what nobody living remembers, only what has landed must come after redis' data is lost.</summary>
        private async Task ExcuseAsync()
        {
            foreach (var message in _sent.SelectMany(sent => sent))
            {
                message.MustCome &= message.Level == Durability.Durable || message.Generation == _generation
                    || await servers.CountAsync($"SELECT COUNT(*) FROM mailbox_messages WHERE payload = '{message.Text}'") > 0;
            }
        }

        private async Task ReplaceAsync()
        {
            Last = "replace the saver";
            await _saver.AbandonAsync();
            _generation++;
            await StartAsync();
        }

        /// <summary>What was only stored may be gone.</summary>
        private async Task LoseBothAsync()
        {
            Last = "lose saver and redis' data";
            await _saver.AbandonAsync();
            _generation++;
            await ExcuseAsync();
            await ((RedisServers)servers).Redis.WipeAndRestartAsync();
            await StartAsync();
        }

        /// <summary>Another saver is asked and asked no more.</summary>
        private async Task StealAsync()
        {
            Last = "another saver is asked";
            var other = await rig.AddAsync(options => options.AdoptInterval = TimeSpan.FromHours(1));
            for (var user = 0; user < Users; user++)
                await other.PositionAsync($"user{user}");
            await other.AbandonAsync();
            _generation++;
        }

        private async Task KillLandingAsync()
        {
            Last = "restart the landing tier";
            await servers.Maria.Kill();
            await servers.Maria.RestartAsync();
        }
    }

    private sealed class Message(string text, Durability level, int generation)
    {
        public string Text => text;
        public Durability Level => level;
        public int Generation => generation;
        public bool MustCome { get; set; } = true;

        public override string ToString() => $"{text} ({level})";
    }
}
