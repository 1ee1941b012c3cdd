using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>Opening, reading, acknowledging, parking, expiry. Inherited by each backend.</summary>
public abstract class MailboxDeliveryContract : MailboxSuite
{
    [Fact]
    public async Task A_new_user_begins_at_nothing()
    {
        var opening = await OpenMailboxAsync();

        Assert.NotEqual(0u, opening.Epoch);
        Assert.Equal((0, 0, ResetReason.None), (opening.Seq, opening.Top, opening.Gap));
    }

    [Fact]
    public async Task Messages_sent_before_the_first_opening_are_there()
    {
        await SendAsync("ann", "a", "b");
        var opening = await OpenMailboxAsync();

        Assert.Equal((0, 2, ResetReason.None), (opening.Seq, opening.Top, opening.Gap));
    }

    [Fact]
    public async Task Without_a_position_the_stream_goes_on_behind_the_acknowledged()
    {
        await SendAsync("ann", "a", "b", "c");
        await OpenMailboxAsync();
        await AckAsync(2);
        var opening = await OpenMailboxAsync();

        Assert.Equal((2, 3, ResetReason.None), (opening.Seq, opening.Top, opening.Gap));
    }

    [Fact]
    public async Task The_clients_position_counts_as_an_acknowledgement()
    {
        var results = await SendAsync("ann", "a", "b", "c");
        await OpenMailboxAsync();
        var opening = await OpenMailboxAsync(epoch: results[0].Epoch, seq: 2);

        Assert.Equal((2, 3, ResetReason.None), (opening.Seq, opening.Top, opening.Gap));
        Assert.Equal(MessageState.Acked, await StateAsync(2));
        Assert.Equal(1, (await Mailboxes.SummaryAsync(User(), None))!.PendingMessages);
    }

    [Fact]
    public async Task An_older_position_does_not_take_an_acknowledgement_back()
    {
        var results = await SendAsync("ann", "a", "b", "c");
        await OpenMailboxAsync(epoch: results[0].Epoch, seq: 2);

        Assert.Equal(2, (await OpenMailboxAsync(epoch: results[0].Epoch, seq: 1)).Seq);
    }

    [Fact]
    public async Task A_client_that_is_ahead_begins_a_new_epoch_and_is_told_about_the_loss()
    {
        var old = (await SendAsync("ann", "a", "b"))[0].Epoch;
        await OpenMailboxAsync();
        await AckAsync(1);
        var opening = await OpenMailboxAsync(epoch: old, seq: 9);

        Assert.Equal((old + 1, 1, 2, ResetReason.DataLoss), (opening.Epoch, opening.Seq, opening.Top, opening.Gap));
        Assert.Equal("2:b", Show(await ReadAsync(2)));
        var next = (await SendAsync("ann", "c"))[0];
        Assert.Equal((old + 1, 3), (next.Epoch, next.Seq));
    }

    [Fact]
    public async Task A_new_epoch_is_there_after_a_restart()
    {
        var old = (await SendAsync("ann", "a"))[0].Epoch;
        await OpenMailboxAsync();
        await OpenMailboxAsync(epoch: old, seq: 9);
        await Store.ReopenAsync();

        Assert.Equal(old + 1, await EpochAsync());
        Assert.Equal("1:a", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task A_message_is_found_under_the_epoch_it_was_accepted_in()
    {
        var old = (await SendAsync("ann", "a"))[0].Epoch;
        await OpenMailboxAsync();
        await OpenMailboxAsync(epoch: old, seq: 9);
        await SendAsync("ann", "b");

        Assert.Equal(MessageState.Pending, await StateAsync(1, epoch: old));
        Assert.Equal(MessageState.Unknown, await StateAsync(2, epoch: old));
        Assert.Equal(MessageState.Pending, await StateAsync(2, epoch: old + 1));
        Assert.Equal(MessageState.Unknown, await StateAsync(1, epoch: old + 7));
    }

    [Fact]
    public async Task An_unknown_epoch_is_told_as_loss_at_our_position()
    {
        var epoch = (await SendAsync("ann", "a", "b"))[0].Epoch;
        await OpenMailboxAsync();
        await AckAsync(1);
        var opening = await OpenMailboxAsync(epoch: epoch + 100, seq: 1);

        Assert.Equal((epoch, 1, 2, ResetReason.DataLoss), (opening.Epoch, opening.Seq, opening.Top, opening.Gap));
    }

    [Fact]
    public async Task What_was_dropped_behind_the_position_is_told_at_the_opening()
    {
        await SetLimitsAsync(new AppLimits { MailboxMessages = 2 });
        await SendAsync("ann", "a", "b", "c", "d");
        var opening = await OpenMailboxAsync();

        Assert.Equal((2, 4, ResetReason.Overflow), (opening.Seq, opening.Top, opening.Gap));
    }

    [Fact]
    public async Task Expired_messages_are_passed_over_at_the_opening()
    {
        await SendExpiringAsync("ann", "a", TimeSpan.FromSeconds(1));
        await SendAsync("ann", "b");
        Store.Clock.Advance(TimeSpan.FromSeconds(2));
        var opening = await OpenMailboxAsync();

        Assert.Equal((1, 2, ResetReason.Expired), (opening.Seq, opening.Top, opening.Gap));
        Assert.Equal(MessageState.Expired, await StateAsync(1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Expired_messages_are_told_as_a_gap_before_and_after_their_removal(bool swept)
    {
        await SendAsync("ann", "a");
        await SendExpiringAsync("ann", "b", TimeSpan.FromSeconds(1));
        await SendExpiringAsync("ann", "c", TimeSpan.FromSeconds(1));
        await SendAsync("ann", "d");
        await SendExpiringAsync("ann", "e", TimeSpan.FromSeconds(1));
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        if (swept)
            await Store.SweepAsync();

        Assert.Equal("1:a 3!Expired 4:d 5!Expired", Show(await ReadAsync(1)));
        Assert.Equal(2, (await Mailboxes.SummaryAsync(User(), None))!.PendingMessages);
        await Store.ReopenAsync();
        Assert.Equal("1:a 3!Expired 4:d 5!Expired", Show(await ReadAsync(1)));
        Assert.Equal(MessageState.Expired, await StateAsync(5));
    }

    [Fact]
    public async Task Different_reasons_stay_apart_in_a_read()
    {
        await SetLimitsAsync(new AppLimits { MailboxMessages = 3 });
        await SendAsync("ann", "a");
        await SendExpiringAsync("ann", "b", TimeSpan.FromSeconds(1));
        await SendAsync("ann", "c", "d");
        Store.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("1!Overflow 2!Expired 3:c 4:d", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task A_read_keeps_to_its_bounds_but_gives_at_least_one()
    {
        await SendAsync("ann", "aaaa", "bbbb", "cccc");

        Assert.Equal("1:aaaa 2:bbbb", Show(await ReadAsync(1, maxMessages: 2)));
        Assert.Equal("1:aaaa 2:bbbb", Show(await ReadAsync(1, maxBytes: 11)));
        Assert.Equal("2:bbbb", Show(await ReadAsync(2, maxBytes: 1)));
        Assert.Equal(3, (await ReadAsync(1, maxMessages: 1)).Top);
    }

    [Fact]
    public async Task A_read_beyond_the_top_is_empty()
    {
        await SendAsync("ann", "a");

        var reply = await ReadAsync(2);
        Assert.Empty(reply.Entries);
        Assert.Equal(1, reply.Top);
    }

    [Fact]
    public async Task A_read_of_another_epoch_is_empty_and_says_where_the_stream_goes_on()
    {
        var epoch = (await SendAsync("ann", "a", "b"))[0].Epoch;
        await OpenMailboxAsync();
        await AckAsync(1);

        var reply = await ReadAsync(1, epoch: epoch + 1);
        Assert.Equal((epoch, 2, 1), (reply.Epoch, reply.Top, reply.BehindSeq));
        Assert.Empty(reply.Entries);
    }

    [Fact]
    public async Task A_read_of_acknowledged_messages_says_that_they_will_not_come()
    {
        await SendAsync("ann", "a", "b", "c");
        await AckAsync(2);

        var entries = (await ReadAsync(1)).Entries;
        Assert.Equal([2, 3], entries.Select(entry => entry.Seq));
        Assert.NotEqual(ResetReason.None, entries[0].Gap);
        Assert.Equal(ResetReason.None, entries[1].Gap);
    }

    [Fact]
    public async Task An_acknowledgement_covers_all_before_it()
    {
        await SendAsync("ann", "aa", "bbb", "cccc");
        await AckAsync(2);

        var summary = (await Mailboxes.SummaryAsync(User(), None))!;
        Assert.Equal((2, 3, 1, 4), (summary.Acked, summary.Top, summary.PendingMessages, summary.PendingBytes));
        Assert.Equal(Now, summary.LastAckAt);
        Assert.Equal(MessageState.Acked, await StateAsync(1));
        Assert.Equal(MessageState.Acked, await StateAsync(2));
        Assert.Equal(MessageState.Pending, await StateAsync(3));
    }

    [Fact]
    public async Task Acknowledgements_only_go_forward()
    {
        await SendAsync("ann", "a", "b", "c");
        await AckAsync(3);
        await AckAsync(1);

        Assert.Equal(3, (await Mailboxes.SummaryAsync(User(), None))!.Acked);
    }

    [Fact]
    public async Task An_acknowledgement_of_what_was_never_sent_is_ignored()
    {
        await SendAsync("ann", "a");
        await AckAsync(2);
        await SendAsync("ann", "b");

        Assert.Equal("1:a 2:b", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task An_acknowledgement_of_another_epoch_is_ignored()
    {
        var epoch = (await SendAsync("ann", "a"))[0].Epoch;
        await AckAsync(1, epoch: epoch + 1);
        await AckAsync(1, epoch: epoch - 1);

        Assert.Equal(MessageState.Pending, await StateAsync(1));
    }

    [Fact]
    public async Task A_late_acknowledgement_of_the_old_epoch_removes_nothing_of_the_new_one()
    {
        var old = (await SendAsync("ann", "a", "b"))[0].Epoch;
        await OpenMailboxAsync();
        await OpenMailboxAsync(epoch: old, seq: 9);
        await AckAsync(2, epoch: old);

        Assert.Equal("1:a 2:b", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task Acknowledgements_of_unknown_users_and_apps_are_ignored()
    {
        await Mailboxes.AckAsync(
            [
                new AckEntry(User("nobody"), StreamKind.Mailbox, 1, 1), new AckEntry(User(app: "nobody"), StreamKind.Mailbox, 1, 1),
                new AckEntry(User("nobody"), StreamKind.Broadcast, 1, 1),
            ], None);

        Assert.Null(await Mailboxes.SummaryAsync(User("nobody"), None));
    }

    [Fact]
    public async Task Acknowledgements_are_there_after_a_restart()
    {
        await SendAsync("ann", "a", "b", "c");
        await AckAsync(2);
        await Store.ReopenAsync();

        Assert.Equal((2, 3, ResetReason.None), await OpenMailboxAsync() is var opening ? (opening.Seq, opening.Top, opening.Gap) : default);
        await AckAsync(3);
        Assert.Equal(0, (await Mailboxes.SummaryAsync(User(), None))!.PendingMessages);
    }

    [Fact]
    public async Task A_head_that_is_delivered_too_often_is_set_aside()
    {
        await SetLimitsAsync(new AppLimits { DeliveryAttempts = 3 });
        await SendAsync("ann", "poison", "fine");
        for (var i = 0; i < 3; i++)
            Assert.Equal((0, ResetReason.None), await OpenMailboxAsync() is var opening ? (opening.Seq, opening.Gap) : default);

        var last = await OpenMailboxAsync();
        Assert.Equal((1, 2, ResetReason.Poison), (last.Seq, last.Top, last.Gap));
        Assert.Equal(MessageState.Parked, await StateAsync(1));
        Assert.Equal("1!Poison 2:fine", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task Attempts_are_counted_over_a_restart()
    {
        await SetLimitsAsync(new AppLimits { DeliveryAttempts = 2 });
        await SendAsync("ann", "poison");
        await OpenMailboxAsync();
        await Store.ReopenAsync();
        await OpenMailboxAsync();
        await Store.ReopenAsync();

        Assert.Equal((1, ResetReason.Poison), await OpenMailboxAsync() is var opening ? (opening.Seq, opening.Gap) : default);
    }

    [Fact]
    public async Task The_count_of_attempts_begins_anew_with_each_head()
    {
        await SetLimitsAsync(new AppLimits { DeliveryAttempts = 2 });
        await SendAsync("ann", "a", "b");
        await OpenMailboxAsync();
        await OpenMailboxAsync();
        await AckAsync(1);
        await OpenMailboxAsync();
        await OpenMailboxAsync();

        Assert.Equal(MessageState.Pending, await StateAsync(2));
        Assert.Equal(ResetReason.Poison, (await OpenMailboxAsync()).Gap);
    }

    [Fact]
    public async Task Parking_takes_the_head_and_says_where_the_stream_goes_on()
    {
        var epoch = (await SendAsync("ann", "a", "b"))[0].Epoch;
        var opening = await Mailboxes.ParkAsync(User(), epoch, 1, None);

        Assert.Equal((epoch, 1, 2, ResetReason.Poison), (opening.Epoch, opening.Seq, opening.Top, opening.Gap));
        Assert.Equal(MessageState.Parked, await StateAsync(1));
        await Store.ReopenAsync();
        Assert.Equal("1!Poison 2:b", Show(await ReadAsync(1)));
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(1, 1)]
    [InlineData(0, 7)]
    public async Task Parking_anything_but_the_head_changes_nothing(uint epochAhead, long seq)
    {
        var epoch = (await SendAsync("ann", "a", "b"))[0].Epoch;
        var opening = await Mailboxes.ParkAsync(User(), epoch + epochAhead, seq, None);

        Assert.Equal((0, ResetReason.None), (opening.Seq, opening.Gap));
        Assert.Equal("1:a 2:b", Show(await ReadAsync(1)));
    }

    [Fact]
    public async Task Users_that_were_never_seen_have_no_position_and_no_summary()
    {
        Assert.Equal(default, (await Mailboxes.PositionsAsync([User("nobody")], None))[0]);
        Assert.Null(await Mailboxes.SummaryAsync(User("nobody"), None));
        Assert.Equal(MessageState.Unknown, (await Mailboxes.FindAsync(User("nobody"), 1, 1, None)).State);
    }

    [Fact]
    public async Task Positions_are_in_the_order_of_the_keys()
    {
        await SendAsync("ann", "a");
        await SendAsync("bob", "a", "b");
        await Store.ReopenAsync();
        var positions = await Mailboxes.PositionsAsync([User("bob"), User("nobody"), User("ann")], None);

        Assert.Equal([2, 0, 1], positions.Select(position => position.Seq));
    }

    [Fact]
    public async Task A_status_tells_the_times_of_a_waiting_message()
    {
        var result = await SendExpiringAsync("ann", "a", TimeSpan.FromMinutes(1));

        Assert.Equal(
            new MessageStatus(MessageState.Pending, result.AcceptedAt, result.ExpiresAt), await Mailboxes.FindAsync(User(), result.Epoch, 1, None));
        Assert.Equal(MessageState.Unknown, await StateAsync(0));
        Assert.Equal(MessageState.Unknown, await StateAsync(2));
    }

    [Fact]
    public async Task A_summary_tells_the_oldest_waiting_message()
    {
        await SendAsync("ann", "a");
        Store.Clock.Advance(TimeSpan.FromSeconds(5));
        var second = (await SendAsync("ann", "b"))[0];
        await AckAsync(1);

        Assert.Equal(second.AcceptedAt, (await Mailboxes.SummaryAsync(User(), None))!.OldestAt);
        await AckAsync(2);
        Assert.Equal(0, (await Mailboxes.SummaryAsync(User(), None))!.OldestAt);
    }

    [Fact]
    public async Task Many_users_open_in_one_call_in_order()
    {
        string[] users = [.. Enumerable.Range(0, 300).Select(i => $"user{i}")];
        await AppendAsync([.. users.Select(user => Draft(user, user))]);
        var replies = await Mailboxes.OpenAsync([.. users.Select(user => new OpenRequest(User(user), default, default))], None);
        Assert.All(replies, reply => Assert.Equal((0, 1), (reply.Mailbox.Seq, reply.Mailbox.Top)));
        await Store.ReopenAsync();
        var later = await Mailboxes.OpenAsync([.. users.Select(user => new OpenRequest(User(user), new StreamPosition(replies[0].Mailbox.Epoch, 1), default))], None);

        Assert.All(later, reply => Assert.Equal((1, 1), (reply.Mailbox.Seq, reply.Mailbox.Top)));
        Assert.Equal(300, await Store.Broadcasts.KnownUsersAsync(App, None));
    }

    [Fact]
    public async Task What_is_no_longer_remembered_is_unknown_and_never_told_as_acknowledged()
    {
        // Every second message is set aside: so many separate reasons are not kept for ever.
        const int Messages = 300;
        await SendAsync("ann", [.. Enumerable.Range(1, Messages).Select(seq => $"{seq}")]);
        var epoch = await EpochAsync();
        for (var seq = 1; seq <= Messages; seq += 2)
        {
            await Mailboxes.ParkAsync(User(), epoch, seq, None);
            await AckAsync(seq + 1);
        }
        await Store.ReopenAsync();

        var states = new List<MessageState>();
        for (var seq = 1; seq <= Messages; seq += 2)
            states.Add(await StateAsync(seq));
        Assert.DoesNotContain(MessageState.Acked, states);
        Assert.Equal(MessageState.Parked, states[^1]);
        Assert.True(states.Count(state => state == MessageState.Parked) is >= 32 and <= 128);
    }

    [Fact]
    public async Task Bad_input_is_refused_with_the_fields_name()
    {
        await SendAsync("ann", "a");
        var epoch = await EpochAsync();
        async Task Refused(string field, Func<Task> call) => Assert.Contains(field, (await Assert.ThrowsAnyAsync<ArgumentException>(call)).Message);

        await Refused("maxMessages", () => Mailboxes.ReadAsync(new ReadRequest(User(), epoch, 1, 0, 10), None).AsTask());
        await Refused("maxBytes", () => Mailboxes.ReadAsync(new ReadRequest(User(), epoch, 1, 10, 0), None).AsTask());
        await Refused("app", () => Mailboxes.OpenAsync([new OpenRequest(User(app: "nobody"), default, default)], None).AsTask());
        await Refused("user", () => Mailboxes.OpenAsync([new OpenRequest(User(""), default, default)], None).AsTask());
    }
}
