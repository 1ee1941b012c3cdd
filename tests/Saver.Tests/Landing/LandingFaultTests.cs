using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Tests.Redis;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Landing;

/// <summary>The way into the landing tier: who does it, when it is away, and what it refuses.</summary>
[Collection("faults of redis and landing tier")]
public sealed class LandingFaultTests(RedisServers servers)
{
    private const string Ann = "ann";

    [Fact]
    public async Task A_durable_message_is_in_the_landing_tier_when_it_is_answered()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(options => options.LandingLinger = TimeSpan.FromMinutes(5));
        await saver.SendAsync(Ann, Durability.Durable, "a", "b");

        Assert.Equal(2, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        await saver.SendAsync(Ann, Durability.Stored, "c");
        Assert.Equal(2, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
    }

    [Fact]
    public async Task What_is_acknowledged_before_it_lands_is_never_written()
    {
        await using var rig = await SaverRig.StartAsync(servers, 1);
        var saver = await rig.AddAsync(options => options.LandingLinger = TimeSpan.FromMinutes(5));
        var sent = await saver.SendAsync(Ann, Durability.Stored, "a", "b");
        await saver.AckAsync(Ann, sent[0].Epoch, 2);
        await saver.SendAsync("bob", Durability.Durable, "c");

        Assert.Equal(1, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        Assert.Equal(1, await servers.CountAsync("SELECT COUNT(*) FROM mailboxes"));
    }

    [Fact]
    public async Task What_is_acknowledged_after_it_landed_is_removed()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync();
        var sent = await saver.SendAsync(Ann, Durability.Durable, "a", "b", "c");
        await saver.AckAsync(Ann, sent[0].Epoch, 2);
        await saver.LandedAsync();

        Assert.Equal(3, await servers.CountAsync("SELECT MIN(seq) FROM mailbox_messages"));
        Assert.Equal(1, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        await UntilAsync(async () => await JournalAsync() == 0, "the journal is trimmed");
    }

    [Fact]
    public async Task Another_saver_lands_what_a_dead_one_left_in_the_journal()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var dead = await rig.AddAsync(options => options.LandingLinger = TimeSpan.FromMinutes(5));
        for (var user = 0; user < 20; user++)
            await dead.SendAsync($"user{user}", Durability.Stored, "a", "b");
        await dead.AbandonAsync();
        Assert.Equal(0, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        var other = await rig.AddAsync();

        // Nobody asks for anything: the keeper finds the journals.
        await UntilAsync(async () => await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages") == 40, "the journal has landed");
        await other.LandedAsync();
        Assert.Equal(["1:a", "2:b"], await other.ReadAsync("user7"));
    }

    [Fact]
    public async Task A_durable_message_waits_for_whoever_owns_its_partition_by_then()
    {
        await using var rig = await SaverRig.StartAsync(servers, 1);
        var first = await rig.AddAsync();
        await first.SendAsync(Ann, Durability.Stored, "a");
        var second = await rig.AddAsync();
        var waiting = first.SendAsync(Ann, Durability.Durable, "b");
        await second.ReadAsync(Ann);

        await Waiting.For(waiting, "the message is durable");
        Assert.Equal(1, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages WHERE payload = 'b'"));
    }

    [Fact]
    public async Task While_the_landing_tier_is_away_stored_messages_go_on_and_durable_ones_fail()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(options => options.DurableTimeout = TimeSpan.FromMilliseconds(500));
        await saver.SendAsync(Ann, Durability.Durable, "0");
        await servers.Maria.Kill();
        try
        {
            for (var i = 1; i <= 50; i++)
                await saver.SendAsync(Ann, Durability.Stored, $"{i}");
            await Assert.ThrowsAsync<StoreUnavailableException>(() => saver.SendAsync(Ann, Durability.Durable, "51"));
            Assert.Equal(52, (await saver.ReadAsync(Ann)).Count);
        }
        finally
        {
            await servers.Maria.RestartAsync();
        }

        await saver.LandedAsync();
        Assert.Equal(52, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        await saver.SendAsync(Ann, Durability.Durable, "52");
    }

    [Fact]
    public async Task Killing_the_landing_tier_again_and_again_while_it_is_written_loses_nothing()
    {
        const int Rounds = 3, Senders = 6;
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync();
        var stop = false;
        var sent = new int[Senders];
        var senders = Enumerable.Range(0, Senders).Select(sender => Task.Run(async () =>
        {
            for (; !Volatile.Read(ref stop); sent[sender]++)
                await saver.SendAsync($"user{sender}", Durability.Stored, $"{sent[sender]}");
        })).ToList();
        for (var round = 0; round < Rounds; round++)
        {
            var before = sent.Sum();
            await Waiting.Until(() => sent.Sum() > before + 300, "messages were accepted");
            await servers.Maria.Kill();
            await servers.Maria.RestartAsync();
        }
        Volatile.Write(ref stop, true);
        await Task.WhenAll(senders);
        await saver.LandedAsync();

        Assert.Equal(sent.Sum(), await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        // And what landed is enough to live on.
        await saver.AbandonAsync();
        await servers.Redis.WipeAndRestartAsync();
        var next = await rig.AddAsync();
        for (var sender = 0; sender < Senders; sender++)
            Assert.Equal(Enumerable.Range(0, sent[sender]).Select(i => $"{i + 1}:{i}"), await next.ReadAsync($"user{sender}"));
    }

    [Fact]
    public async Task A_row_that_the_landing_tier_refuses_is_parked_and_holds_up_nobody()
    {
        await using var rig = await SaverRig.StartAsync(servers, 2);
        var saver = await rig.AddAsync();
        await servers.ExecuteAsync(
            "CREATE TRIGGER refuse BEFORE INSERT ON mailbox_messages FOR EACH ROW IF NEW.payload = 'poison' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by test'; END IF");
        try
        {
            var refused = Assert.ThrowsAsync<StoreUnavailableException>(() => saver.SendAsync(Ann, Durability.Durable, "a", "poison", "b"));
            await Task.WhenAll(Enumerable.Range(0, 50).Select(user => saver.SendAsync($"user{user}", Durability.Durable, "fine")));
            Assert.Contains("rejected", (await refused).Message);
            await saver.LandedAsync();
        }
        finally
        {
            await servers.ExecuteAsync("DROP TRIGGER refuse");
        }

        Assert.Equal(52, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages"));
        Assert.Equal(1, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_rejected WHERE seq = 2 AND error LIKE '%refused by test%'"));
        Assert.Equal(["1:a", "2:poison", "3:b"], await saver.ReadAsync(Ann));
    }

    [Fact]
    public async Task A_message_that_was_set_aside_is_kept_in_the_landing_tier()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync();
        var sent = await saver.SendAsync(Ann, Durability.Stored, "poison", "fine");
        await saver.Mailboxes.ParkAsync(SaverRig.Key(Ann), sent[0].Epoch, 1, default);
        await saver.LandedAsync();

        Assert.Equal(1, await servers.CountAsync("SELECT COUNT(*) FROM mailbox_parked WHERE seq = 1 AND payload = 'poison'"));
        await saver.AbandonAsync();
        await servers.Redis.WipeAndRestartAsync();
        Assert.Equal(["1!Poison", "2:fine"], await (await rig.AddAsync()).ReadAsync(Ann));
    }

    [Fact]
    public async Task Over_its_limit_the_lag_refuses_durable_messages_first_and_then_all()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(options =>
        {
            options.LandingLinger = TimeSpan.FromMinutes(5);
            (options.DurableLagRows, options.StoredLagRows) = (10, 20);
        });
        await saver.SendAsync(Ann, Durability.Stored, [.. Enumerable.Range(0, 11).Select(i => $"{i}")]);
        Assert.Equal(WriteStatus.Overloaded, (await saver.Mailboxes.AppendAsync(Saver.Request(Ann, Durability.Durable, "x"), default)).Status);
        await saver.SendAsync(Ann, Durability.Stored, [.. Enumerable.Range(0, 10).Select(i => $"{i}")]);
        Assert.Equal(WriteStatus.Overloaded, (await saver.Mailboxes.AppendAsync(Saver.Request(Ann, Durability.Stored, "x"), default)).Status);
    }

    [Fact]
    public async Task Two_savers_that_fight_for_the_same_partitions_lose_nothing_and_keep_the_order()
    {
        const int Senders = 8, Messages = 150;
        await using var rig = await SaverRig.StartAsync(servers, 2);
        Saver[] savers = [await rig.AddAsync(), await rig.AddAsync()];
        var results = await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(async () =>
        {
            var mine = new List<(AppendResult Result, string Text)>();
            for (var i = 0; i < Messages; i++)
            {
                var saver = savers[(sender + i) % 2];
                var text = $"{sender}-{i}";
                var level = i % 10 == 0 ? Durability.Durable : Durability.Stored;
                mine.Add(((await Saver.UntilItWorksAsync(() => saver.SendAsync($"user{sender % 3}", level, text), "append"))[0], text));
            }
            return mine;
        })));

        for (var user = 0; user < 3; user++)
        {
            var sent = results.Where((_, sender) => sender % 3 == user).SelectMany(mine => mine).OrderBy(message => message.Result.Seq).ToList();
            Assert.Single(sent.Select(message => message.Result.Epoch).Distinct());
            var read = await savers[user % 2].ReadAsync($"user{user}");
            Assert.Equal(sent.Select(message => $"{message.Result.Seq}:{message.Text}"), read);
            Assert.Equal(Enumerable.Range(1, sent.Count).Select(seq => (long)seq), sent.Select(message => message.Result.Seq));
        }
        Assert.All(results, mine => Assert.Equal(mine.Select(message => message.Result.Seq).Order(), mine.Select(message => message.Result.Seq)));
        await UntilAsync(
            async () => await servers.CountAsync("SELECT COUNT(*) FROM mailbox_messages") == Senders * Messages, "everything has landed");
    }

    private async Task<int> JournalAsync()
    {
        var lengths = await Task.WhenAll(Enumerable.Range(0, 4).Select(part => servers.Redis.CliAsync("XLEN", $"{{{part}}}j")));
        return lengths.Sum(length => int.Parse(length.Trim()));
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string phase)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) > Waiting.Limit)
                throw new TimeoutException($"'{phase}' did not happen within {Waiting.Limit}");
            await Task.Delay(20);
        }
    }
}
