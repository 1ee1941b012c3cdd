using Xunit;

namespace PushSystem.TestSupport.Tests;

/// <summary>The judge is judged: each kind of fault is put in and must be named.</summary>
public sealed class DeliveryCheckerTests
{
    private readonly DeliveryChecker _checker = new();

    public DeliveryCheckerTests()
    {
        for (var i = 1; i <= 3; i++)
        {
            _checker.Sent($"k{i}", "alice");
            _checker.Accepted($"k{i}", "alice", $"m1-{i}");
        }
    }

    private CheckResult After(params (string User, string Id, string Key)[] received)
    {
        foreach (var (user, id, key) in received)
            _checker.Received(user, id, key);
        return _checker.Evaluate();
    }

    [Fact]
    public void A_complete_history_in_order_is_accepted()
    {
        var result = After(("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "m1-3", "k3"));
        Assert.True(result.Ok, result.ToString());
        Assert.Equal(3, result.Accepted);
    }

    [Fact]
    public void An_accepted_message_that_never_came_is_lost() =>
        Assert.Equal(["alice m1-2 k2"], After(("alice", "m1-1", "k1"), ("alice", "m1-3", "k3")).Lost);

    [Fact]
    public void A_message_seen_twice_is_a_duplicate() =>
        Assert.Single(After(("alice", "m1-1", "k1"), ("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "m1-3", "k3")).Duplicates);

    [Fact]
    public void A_message_behind_a_later_one_is_reordered() =>
        Assert.Single(After(("alice", "m1-2", "k2"), ("alice", "m1-1", "k1"), ("alice", "m1-3", "k3")).Reordered);

    [Fact]
    public void A_message_that_nobody_sent_is_unexpected() =>
        Assert.Single(After(("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "m1-3", "k3"), ("alice", "m1-4", "k4")).Unexpected);

    [Fact]
    public void A_message_seen_by_another_user_is_foreign() =>
        Assert.Single(After(("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "m1-3", "k3"), ("bob", "m1-1", "k1")).Foreign);

    [Fact]
    public void One_key_with_two_ids_violates_idempotency()
    {
        _checker.Accepted("k1", "alice", "m1-4");
        Assert.Single(_checker.Evaluate().Idempotency);
    }

    [Fact]
    public void One_id_with_two_messages_is_a_reused_sequence_number() =>
        Assert.Single(After(("alice", "m1-1", "k1"), ("alice", "m1-1", "k2")).SeqReuse);

    [Fact]
    public void A_request_without_answer_may_arrive_or_not()
    {
        _checker.Sent("unknown", "alice");
        var result = After(("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "m1-3", "k3"), ("alice", "m1-4", "unknown"));
        Assert.True(result.Ok, result.ToString());
    }

    [Fact]
    public void Broadcasts_and_the_mailbox_have_no_order_between_them()
    {
        _checker.Sent("b", "alice");
        var result = After(("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "b1-1", "b"), ("alice", "m1-3", "k3"));
        Assert.True(result.Ok, result.ToString());
    }

    [Fact]
    public void A_new_epoch_may_start_its_numbers_anew()
    {
        _checker.Sent("k5", "alice");
        var result = After(("alice", "m1-1", "k1"), ("alice", "m1-2", "k2"), ("alice", "m1-3", "k3"), ("alice", "m2-1", "k5"));
        Assert.True(result.Ok, result.ToString());
    }
}
