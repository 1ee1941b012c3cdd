using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>Appending: numbers, bounds, all or none, idempotency. Inherited by each backend.</summary>
public abstract class MailboxAppendContract : MailboxSuite
{
    [Fact]
    public async Task Numbers_grow_by_one_in_each_mailbox()
    {
        var first = await AppendAsync([Draft("ann", "a"), Draft("bob", "b"), Draft("ann", "c")]);
        var second = await SendAsync("ann", "d");

        Assert.Equal([1, 1, 2], first.Results.Select(result => result.Seq));
        Assert.Equal(3, second[0].Seq);
        Assert.Equal("1:a 2:c 3:d", Show(await ReadAsync(1)));
        Assert.Equal("1:b", Show(await ReadAsync(1, user: "bob")));
    }

    [Fact]
    public async Task All_messages_of_a_mailbox_share_an_epoch_that_is_not_zero()
    {
        var results = await SendAsync("ann", "a", "b");

        Assert.NotEqual(0u, results[0].Epoch);
        Assert.Equal(results[0].Epoch, results[1].Epoch);
        Assert.Equal(new StreamPosition(results[0].Epoch, 2), (await Mailboxes.PositionsAsync([User()], None))[0]);
    }

    [Fact]
    public async Task Times_come_from_the_clock_and_the_time_to_live()
    {
        var result = await SendExpiringAsync("ann", "a", TimeSpan.FromMinutes(5));

        Assert.Equal(Now, result.AcceptedAt);
        Assert.Equal(Now + 300_000, result.ExpiresAt);
    }

    [Fact]
    public async Task Without_a_time_to_live_the_apps_age_counts()
    {
        await SetLimitsAsync(new AppLimits { MailboxAge = TimeSpan.FromHours(1) });

        Assert.Equal(Now + 3_600_000, (await SendAsync("ann", "a"))[0].ExpiresAt);
    }

    [Fact]
    public async Task A_time_to_live_is_cut_to_the_apps_age()
    {
        await SetLimitsAsync(new AppLimits { MailboxAge = TimeSpan.FromHours(1) });

        Assert.Equal(Now + 3_600_000, (await SendExpiringAsync("ann", "a", TimeSpan.FromDays(3))).ExpiresAt);
    }

    [Fact]
    public async Task What_was_appended_is_there_after_a_restart()
    {
        var results = await SendAsync("ann", "a", "b");
        await Store.ReopenAsync();

        Assert.Equal("1:a 2:b", Show(await ReadAsync(1)));
        var entry = (await ReadAsync(1)).Entries[0];
        Assert.Equal((results[0].AcceptedAt, results[0].ExpiresAt, PayloadKind.Text), (entry.AcceptedAt, entry.ExpiresAt, entry.Kind));
    }

    [Fact]
    public async Task Numbers_go_on_after_everything_was_acknowledged_and_restarted()
    {
        await SendAsync("ann", "a", "b", "c");
        await AckAsync(3);
        await Store.ReopenAsync();

        Assert.Equal(4, (await SendAsync("ann", "d"))[0].Seq);
    }

    [Fact]
    public async Task Numbers_go_on_after_everything_expired_and_restarted()
    {
        await SendExpiringAsync("ann", "a", TimeSpan.FromSeconds(1));
        await SendExpiringAsync("ann", "b", TimeSpan.FromSeconds(1));
        Store.Clock.Advance(TimeSpan.FromSeconds(2));
        await Store.SweepAsync();
        await Store.ReopenAsync();

        Assert.Equal(3, (await SendAsync("ann", "c"))[0].Seq);
    }

    [Fact]
    public async Task Payloads_are_kept_byte_for_byte()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
        await AppendAsync([new MessageDraft("ann", PayloadKind.Binary, all, null), new MessageDraft("ann", PayloadKind.Json, ReadOnlyMemory<byte>.Empty, null)]);
        await Store.ReopenAsync();

        var entries = (await ReadAsync(1)).Entries;
        Assert.Equal(all, entries[0].Payload.ToArray());
        Assert.Equal((PayloadKind.Json, 0), (entries[1].Kind, entries[1].Payload.Length));
    }

    [Fact]
    public async Task The_callers_memory_may_be_used_again_afterwards()
    {
        var payload = Bytes("first");
        await AppendAsync([new MessageDraft("ann", PayloadKind.Text, payload, null)]);
        Bytes("other").CopyTo(payload, 0);

        Assert.Equal("1:first", Show(await ReadAsync(1)));
    }

    [Theory]
    [InlineData("zoë")]
    [InlineData("a\0b")]
    [InlineData("用户-1")]
    [InlineData("ANN")]
    public async Task User_ids_are_compared_byte_for_byte(string user)
    {
        await SendAsync(user, "mine");
        await SendAsync("ann", "hers");
        await Store.ReopenAsync();

        Assert.Equal("1:mine", Show(await ReadAsync(1, user: user)));
        Assert.Equal("1:hers", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task Apps_do_not_see_each_other()
    {
        await SetLimitsAsync(new AppLimits(), "other");
        await SendAsync("ann", "mine");
        await AppendAsync([Draft("ann", "theirs")], app: "other");

        Assert.Equal("1:mine", Show(await ReadAsync(1)));
        var position = (await Mailboxes.PositionsAsync([User(app: "other")], None))[0];
        Assert.Equal("1:theirs", Show(await Mailboxes.ReadAsync(new ReadRequest(User(app: "other"), position.Epoch, 1, 10, 1_000), None)));
    }

    [Fact]
    public async Task A_level_that_is_not_offered_changes_nothing()
    {
        foreach (var level in Enum.GetValues<Durability>().Except(Mailboxes.Levels))
        {
            var reply = await Mailboxes.AppendAsync(new AppendRequest(App, level, [Draft("ann", "a")], null), None);
            Assert.Equal(WriteStatus.LevelUnavailable, reply.Status);
        }
        Assert.Equal(default, (await Mailboxes.PositionsAsync([User()], None))[0]);
    }

    [Fact]
    public async Task One_bad_message_refuses_them_all_and_names_itself()
    {
        await SetLimitsAsync(new AppLimits { PayloadBytes = 4 });

        var refusal = await Assert.ThrowsAsync<ArgumentException>(() => AppendAsync([Draft("ann", "fine"), Draft("ann", "too long")]));
        Assert.Contains("messages[1].payload", refusal.Message);
        Assert.Contains("4", refusal.Message);
        Assert.Equal(default, (await Mailboxes.PositionsAsync([User()], None))[0]);
    }

    [Fact]
    public async Task Bad_input_is_refused_with_the_fields_name()
    {
        async Task Refused(string field, Func<Task> call) => Assert.Contains(field, (await Assert.ThrowsAnyAsync<ArgumentException>(call)).Message);

        await Refused("messages", () => AppendAsync([]));
        await Refused("user", () => AppendAsync([Draft("", "a")]));
        await Refused("user", () => AppendAsync([Draft(new string('x', 65), "a")]));
        await Refused("user", () => AppendAsync([Draft("\uD800", "a")]));
        await Refused("timeToLive", () => AppendAsync([Draft("ann", "a", TimeSpan.Zero)]));
        await Refused("app", () => AppendAsync([Draft("ann", "a")], app: "nobody"));
        await Refused("fingerprint", () => AppendAsync([Draft("ann", "a")], new IdempotencyClaim("k", Bytes("short"))));
        await Refused("idempotencyKey", () => AppendAsync([Draft("ann", "a")], new IdempotencyClaim("", Fingerprint(1))));
        Assert.Null(await Mailboxes.SummaryAsync(User(), None));
    }

    [Fact]
    public async Task Over_the_count_the_oldest_go()
    {
        await SetLimitsAsync(new AppLimits { MailboxMessages = 3 });
        await SendAsync("ann", "a", "b", "c", "d", "e");

        Assert.Equal("2!Overflow 3:c 4:d 5:e", Show(await ReadAsync(1)));
        Assert.Equal(MessageState.Dropped, await StateAsync(2));
        Assert.Equal(MessageState.Pending, await StateAsync(3));
        Assert.Equal(3, (await Mailboxes.SummaryAsync(User(), None))!.PendingMessages);
    }

    [Fact]
    public async Task Over_the_bytes_the_oldest_go()
    {
        await SetLimitsAsync(new AppLimits { MailboxBytes = 10 });
        await SendAsync("ann", "aaaa", "bbbb", "cccc");

        Assert.Equal("1!Overflow 2:bbbb 3:cccc", Show(await ReadAsync(1)));
        Assert.Equal(8, (await Mailboxes.SummaryAsync(User(), None))!.PendingBytes);
    }

    [Fact]
    public async Task Expired_messages_make_room_before_live_ones_go()
    {
        await SetLimitsAsync(new AppLimits { MailboxMessages = 2 });
        await SendAsync("ann", "keep");
        await SendExpiringAsync("ann", "brief", TimeSpan.FromSeconds(1));
        Store.Clock.Advance(TimeSpan.FromSeconds(2));
        await SendAsync("ann", "new");

        Assert.Equal("1:keep 2!Expired 3:new", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task An_overflow_is_remembered_over_a_restart()
    {
        await SetLimitsAsync(new AppLimits { MailboxMessages = 1 });
        await SendAsync("ann", "a", "b", "c");
        await Store.ReopenAsync();

        Assert.Equal("2!Overflow 3:c", Show(await ReadAsync(1)));
        Assert.Equal(1, (await Mailboxes.SummaryAsync(User(), None))!.PendingMessages);
    }

    [Fact]
    public async Task A_payload_that_can_never_fit_is_refused()
    {
        await SetLimitsAsync(new AppLimits { MailboxBytes = 3 });

        Assert.Contains("mailboxBytes", (await Assert.ThrowsAsync<ArgumentException>(() => AppendAsync([Draft("ann", "four")]))).Message);
    }

    [Fact]
    public async Task A_repeated_request_gives_the_first_results()
    {
        var claim = new IdempotencyClaim("key", Fingerprint(1));
        var first = await AppendAsync([Draft("ann", "a"), Draft("bob", "b")], claim);
        Store.Clock.Advance(TimeSpan.FromMinutes(1));
        var again = await AppendAsync([Draft("ann", "a"), Draft("bob", "b")], claim);

        Assert.Equal(WriteStatus.Replayed, again.Status);
        Assert.Equal(first.Results, again.Results);
        Assert.Equal("1:a", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task A_repeated_request_is_known_after_a_restart()
    {
        var claim = new IdempotencyClaim("key", Fingerprint(1));
        var first = await AppendAsync([Draft("ann", "a")], claim);
        await Store.ReopenAsync();

        Assert.Equal(first.Results, (await AppendAsync([Draft("ann", "a")], claim)).Results);
    }

    [Fact]
    public async Task Another_request_under_the_same_key_is_a_conflict_and_changes_nothing()
    {
        await AppendAsync([Draft("ann", "a")], new IdempotencyClaim("key", Fingerprint(1)));
        var other = await AppendAsync([Draft("ann", "b")], new IdempotencyClaim("key", Fingerprint(2)));

        Assert.Equal(WriteStatus.Conflict, other.Status);
        Assert.Empty(other.Results);
        Assert.Equal("1:a", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task Keys_of_different_apps_have_nothing_to_do_with_each_other()
    {
        await SetLimitsAsync(new AppLimits(), "other");
        await AppendAsync([Draft("ann", "a")], new IdempotencyClaim("key", Fingerprint(1)));

        Assert.Equal(WriteStatus.Stored, (await AppendAsync([Draft("ann", "b")], new IdempotencyClaim("key", Fingerprint(2)), "other")).Status);
    }

    [Fact]
    public async Task A_key_is_free_again_after_a_day()
    {
        await AppendAsync([Draft("ann", "a")], new IdempotencyClaim("key", Fingerprint(1)));
        Store.Clock.Advance(TimeSpan.FromHours(24) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(WriteStatus.Conflict, (await AppendAsync([Draft("ann", "b")], new IdempotencyClaim("key", Fingerprint(2)))).Status);
        Store.Clock.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(WriteStatus.Stored, (await AppendAsync([Draft("ann", "b")], new IdempotencyClaim("key", Fingerprint(2)))).Status);
        await Store.SweepAsync();
        Assert.Equal(WriteStatus.Replayed, (await AppendAsync([Draft("ann", "b")], new IdempotencyClaim("key", Fingerprint(2)))).Status);
    }

    [Fact]
    public async Task Many_identical_requests_at_once_store_one()
    {
        var claim = new IdempotencyClaim("key", Fingerprint(1));
        var replies = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(() => AppendAsync([Draft("ann", "a")], claim))));

        Assert.Single(replies, reply => reply.Status == WriteStatus.Stored);
        Assert.Equal(63, replies.Count(reply => reply.Status == WriteStatus.Replayed));
        Assert.Single(replies.SelectMany(reply => reply.Results).Distinct());
        Assert.Equal("1:a", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task Many_writers_get_numbers_without_holes_and_keep_their_own_order()
    {
        var seqs = await Task.WhenAll(Enumerable.Range(0, 64).Select(writer => Task.Run(async () =>
        {
            var mine = new List<long>();
            for (var i = 0; i < 20; i++)
                mine.AddRange((await SendAsync("ann", $"{writer}-{i}-0", $"{writer}-{i}-1")).Select(result => result.Seq));
            return mine;
        })));

        Assert.All(seqs, mine => Assert.Equal(mine.Order(), mine));
        Assert.All(seqs, mine => Assert.All(mine.Chunk(2), pair => Assert.Equal(pair[0] + 1, pair[1])));
        // The default bound of 1,000 messages has dropped the oldest of the 2,560.
        var entries = (await ReadAsync(1, 5_000)).Entries;
        Assert.Equal((1_560, ResetReason.Overflow), (entries[0].Seq, entries[0].Gap));
        Assert.Equal(Enumerable.Range(1_561, 1_000).Select(seq => (long)seq), entries.Skip(1).Select(entry => entry.Seq));
        Assert.Equal(2_560, seqs.SelectMany(mine => mine).Distinct().Count());
    }
}
