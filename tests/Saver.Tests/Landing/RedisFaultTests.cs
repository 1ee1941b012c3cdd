using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Redis;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;
using StackExchange.Redis;

namespace PushSystem.Saver.Tests.Landing;

/// <summary>What becomes of mailboxes when redis dies, forgets, goes back in time or stands still.</summary>
[Collection("faults of redis and landing tier")]
public sealed class RedisFaultTests(RedisServers servers)
{
    private const string Ann = "ann";

    [Fact]
    public async Task A_redis_that_was_killed_and_restarted_has_everything_and_keeps_its_epochs()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync();
        var accepted = new ConcurrentBag<(string User, long Seq, uint Epoch, string Text)>();
        await SendWhileAsync(saver, accepted, async () =>
        {
            await servers.Redis.Kill();
            await servers.Redis.RestartAsync();
        });

        await AssertAllThereAsync(saver, accepted);
        Assert.Single(accepted.Select(message => message.Epoch).Distinct());
    }

    [Fact]
    public async Task Durable_messages_outlive_a_redis_that_forgot_everything()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync();
        var sent = await saver.SendAsync(Ann, Durability.Durable, "a", "b", "c", "d");
        await saver.AckAsync(Ann, sent[0].Epoch, 1);
        await saver.LandedAsync();
        await servers.Redis.WipeAndRestartAsync();

        // The client had processed two of them when it lost its connection.
        var opening = await saver.OpenAsync(Ann, sent[0].Epoch, 2);
        Assert.True(opening.Epoch > sent[0].Epoch);
        Assert.Equal((2, 4, ResetReason.DataLoss), (opening.Seq, opening.Top, opening.Gap));
        Assert.Equal(["3:c", "4:d"], await saver.ReadAsync(Ann, 3));
        var next = (await saver.SendAsync(Ann, Durability.Durable, "e"))[0];
        Assert.Equal((opening.Epoch, 5), (next.Epoch, next.Seq));
        // The old epoch is still understood after the mailbox has moved on.
        Assert.Equal((4, 5, ResetReason.DataLoss), await saver.OpenAsync(Ann, sent[0].Epoch, 4) is var again ? (again.Seq, again.Top, again.Gap) : default);
    }

    [Fact]
    public async Task Stored_messages_that_only_a_living_saver_knows_survive_a_redis_that_forgot_everything()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(options => options.LandingLinger = TimeSpan.FromMinutes(5));
        await saver.SendAsync(Ann, Durability.Stored, "a", "b");
        await servers.Redis.WipeAndRestartAsync();

        Assert.Equal(["1:a", "2:b"], await saver.ReadAsync(Ann));
    }

    [Fact]
    public async Task What_neither_redis_nor_the_landing_tier_has_is_told_and_its_numbers_come_in_a_new_epoch()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var first = await rig.AddAsync(options => options.LandingLinger = TimeSpan.FromMinutes(5));
        var landed = await first.SendAsync(Ann, Durability.Durable, "a", "b");
        await first.SendAsync(Ann, Durability.Stored, "c", "d");
        await first.AbandonAsync();
        await servers.Redis.WipeAndRestartAsync();
        var second = await rig.AddAsync();

        var opening = await second.OpenAsync(Ann, landed[0].Epoch, 4);
        Assert.Equal((2, 2, ResetReason.DataLoss), (opening.Seq, opening.Top, opening.Gap));
        var next = (await second.SendAsync(Ann, Durability.Stored, "e"))[0];
        Assert.Equal(3, next.Seq);
        Assert.NotEqual(landed[0].Epoch, next.Epoch);
        Assert.Equal(["3:e"], await second.ReadAsync(Ann, 3));
    }

    [Fact]
    public async Task Mailboxes_that_nobody_asks_for_are_filled_in_the_background()
    {
        const int Users = 300;
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(options => options.FillUsers = 16);
        await Task.WhenAll(Enumerable.Range(0, Users).Select(user => saver.SendAsync($"user{user}", Durability.Durable, $"text{user}")));
        await Task.WhenAll(Enumerable.Range(0, Users).Select(user => saver.OpenAsync($"user{user}")));
        await saver.LandedAsync();
        await servers.Redis.WipeAndRestartAsync();
        await saver.PositionAsync("user0");
        await Waiting.Until(
            () => saver.Mailboxes.Partitions.All(partition => partition.Owner is { IsOwned: true, IsFull: true, Epoch: > 1 }), "every partition is filled");

        await saver.LandedAsync();
        await servers.ExecuteAsync("DELETE FROM mailboxes", "DELETE FROM mailbox_messages");
        for (var user = 0; user < Users; user++)
            Assert.Equal([$"1:text{user}"], await saver.ReadAsync($"user{user}"));
        Assert.Equal(Users, await saver.Mailboxes.CountAsync(SaverRig.App, default));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_replica_that_was_promoted_behind_the_others_back_reuses_no_number(bool saverLives)
    {
        await using var rig = await SaverRig.StartAsync(servers);
        await using var master = await RedisServer.StartAsync();
        await using var replica = await RedisServer.StartReplicaAsync(master);
        await UntilAsync(async () => (await replica.CliAsync("INFO", "replication")).Contains("master_link_status:up"), "the replica follows");
        void Both(RedisOptions options) => options.EndPoints = $"{master.EndPoint},{replica.EndPoint}";
        var saver = await rig.AddAsync(options => options.LandingLinger = TimeSpan.FromMinutes(5), Both);
        var landed = await saver.SendAsync(Ann, Durability.Durable, "a", "b");
        await saver.SendAsync(Ann, Durability.Stored, "c");
        await UntilAsync(
            async () => Offset(await master.CliAsync("INFO", "replication")) == Offset(await replica.CliAsync("INFO", "replication")), "the replica is even");
        await replica.CliAsync("REPLICAOF", "NO", "ONE");
        var lost = await saver.SendAsync(Ann, Durability.Stored, "d", "e");
        await master.Kill();
        if (!saverLives)
        {
            await saver.AbandonAsync();
            saver = await rig.AddAsync(redis: Both);
        }

        // The client has seen all five.
        var opening = await saver.OpenAsync(Ann, lost[0].Epoch, 5);
        var next = await Saver.UntilItWorksAsync(() => saver.SendAsync(Ann, Durability.Stored, "f"), "append");
        Assert.NotEqual(landed[0].Epoch, opening.Epoch);
        Assert.Equal(ResetReason.DataLoss, opening.Gap);
        // With the saver that still knows them they are all there; otherwise the last two are lost, and their numbers are of a new epoch.
        Assert.Equal(saverLives ? 5 : 3, opening.Seq);
        Assert.Equal(opening.Seq + 1, next[0].Seq);
        Assert.Equal([$"{next[0].Seq}:f"], await saver.ReadAsync(Ann, opening.Seq + 1));
        await UntilAsync(() => Task.FromResult(saver.Mailboxes.Partitions.All(partition => !partition.Owner.IsOwned || partition.Owner.IsFull)), "filled");
    }

    [Fact]
    public async Task A_late_batch_of_a_fenced_owner_changes_nothing()
    {
        await using var rig = await SaverRig.StartAsync(servers, 1);
        var first = await rig.AddAsync();
        await first.SendAsync(Ann, Durability.Stored, "a");
        var (token, jseq) = (first.Mailboxes.Partitions[0].Owner.Token, first.Mailboxes.Partitions[0].Owner.Jseq);
        var second = await rig.AddAsync();
        Assert.Equal(["1:a"], await second.ReadAsync(Ann));
        var now = second.Mailboxes.Partitions[0].Owner.Jseq;

        foreach (var known in (long[])[jseq, now])
        {
            var answer = (RedisResult[])(await first.Link.EvalAsync(
                MailboxScripts.Batch, ["{0}meta", "{0}victim"], [token, known, known + 1, "r", 2, "late"], default))!;
            Assert.Equal(MailboxScripts.Fenced, (long)answer[0]);
        }
        Assert.Equal("0", (await servers.Redis.CliAsync("EXISTS", "{0}victim")).Trim());
    }

    [Fact]
    public async Task A_redis_that_stands_still_is_answered_as_unavailable_and_works_again()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(redis: options => (options.Timeout, options.SilenceLimit) = (TimeSpan.FromMilliseconds(300), TimeSpan.FromSeconds(1)));
        await saver.SendAsync(Ann, Durability.Stored, "a");
        servers.Redis.Stop();
        try
        {
            await Assert.ThrowsAsync<StoreUnavailableException>(() => saver.SendAsync(Ann, Durability.Stored, "unknown"));
        }
        finally
        {
            servers.Redis.Continue();
        }

        await Saver.UntilItWorksAsync(() => saver.SendAsync(Ann, Durability.Stored, "b"), "append");
        // Whether the one in between was done is not known; that it was done at most once is.
        var read = await saver.ReadAsync(Ann);
        Assert.True(read.SequenceEqual(["1:a", "2:b"]) || read.SequenceEqual(["1:a", "2:unknown", "3:b"]), string.Join(' ', read));
    }

    [Fact]
    public async Task A_request_repeated_after_an_unknown_outcome_is_stored_once_in_every_partition()
    {
        await using var rig = await SaverRig.StartAsync(servers);
        var saver = await rig.AddAsync(
            options => options.OperationTimeout = TimeSpan.FromMilliseconds(400),
            options => (options.Timeout, options.SilenceLimit) = (TimeSpan.FromMilliseconds(300), TimeSpan.FromSeconds(1)));
        string[] users = [.. Enumerable.Range(0, 40).Select(user => $"user{user}")];
        foreach (var user in users)
            await saver.PositionAsync(user);
        for (var round = 0; round < 4; round++)
        {
            var request = new AppendRequest(
                SaverRig.App, Durability.Stored, [.. users.Select(user => new MessageDraft(user, PayloadKind.Text, new byte[] { (byte)round }, null))],
                new IdempotencyClaim($"key{round}", new byte[32]));
            var lost = saver.Mailboxes.AppendAsync(request, default).AsTask();
            servers.Redis.Stop();
            await Task.WhenAny(lost, Task.Delay(TimeSpan.FromMilliseconds(450)));
            servers.Redis.Continue();
            try
            {
                await lost;
            }
            catch (StoreUnavailableException)
            {
            }
            var reply = await Saver.UntilItWorksAsync(async () => await saver.Mailboxes.AppendAsync(request, default), "append");
            Assert.All(reply.Results, result => Assert.Equal(round + 1, result.Seq));
        }
    }

    private static async Task SendWhileAsync(Saver saver, ConcurrentBag<(string, long, uint, string)> accepted, Func<Task> fault)
    {
        var stop = false;
        var senders = Enumerable.Range(0, 8).Select(sender => Task.Run(async () =>
        {
            for (var i = 0; !Volatile.Read(ref stop); i++)
            {
                var (user, text) = ($"user{sender}", $"{sender}-{i}");
                try
                {
                    var result = (await saver.SendAsync(user, Durability.Stored, text))[0];
                    accepted.Add((user, result.Seq, result.Epoch, text));
                }
                catch (StoreUnavailableException)
                {
                    await Task.Delay(5);
                }
            }
        })).ToList();
        await Waiting.Until(() => accepted.Count > 200, "messages were accepted before the fault");
        await fault();
        var before = accepted.Count;
        await Waiting.Until(() => accepted.Count > before + 200, "messages were accepted after the fault");
        Volatile.Write(ref stop, true);
        await Task.WhenAll(senders);
    }

    private static async Task AssertAllThereAsync(Saver saver, IEnumerable<(string User, long Seq, uint Epoch, string Text)> accepted)
    {
        foreach (var user in accepted.GroupBy(message => message.User))
        {
            var read = await saver.ReadAsync(user.Key);
            Assert.Empty(user.Select(message => $"{message.Seq}:{message.Text}").Except(read));
            Assert.Equal(user.Count(), user.DistinctBy(message => message.Seq).Count());
            var texts = read.Select(line => int.Parse(line[(line.IndexOf('-') + 1)..])).ToList();
            Assert.Equal(texts.Distinct().Order(), texts);
        }
    }

    private static string Offset(string info) =>
        info.Split('\n').First(line => line.StartsWith("master_repl_offset:", StringComparison.Ordinal) || line.StartsWith("slave_repl_offset:", StringComparison.Ordinal))
            .Split(':')[1].Trim();

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
