using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>Kept answers and named facts. Inherited by each backend.</summary>
public abstract class SmallStoresContract : ContractSuite
{
    [Fact]
    public async Task A_kept_answer_is_found_until_its_day_is_over()
    {
        Assert.Null(await Store.Idempotency.FindAsync(App, "key", None));
        Assert.True(await Store.Idempotency.KeepAsync(App, "key", new IdempotentAnswer(Fingerprint(1), 202, Bytes("body")), None));
        await Store.ReopenAsync();
        Store.Clock.Advance(TimeSpan.FromHours(24) - TimeSpan.FromMilliseconds(1));
        await Store.SweepAsync();

        var answer = await Store.Idempotency.FindAsync(App, "key", None);
        Assert.Equal((202, "body"), (answer!.StatusCode, System.Text.Encoding.UTF8.GetString(answer.Body.Span)));
        Assert.Equal(Fingerprint(1), answer.Fingerprint.ToArray());
        Store.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Null(await Store.Idempotency.FindAsync(App, "key", None));
    }

    [Fact]
    public async Task The_first_answer_stays()
    {
        var kept = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => Task.Run(() =>
            Store.Idempotency.KeepAsync(App, "key", new IdempotentAnswer(Fingerprint(1), 200 + i, default), None).AsTask())));

        var winner = Assert.Single(Enumerable.Range(0, 32), i => kept[i]);
        Assert.Equal(200 + winner, (await Store.Idempotency.FindAsync(App, "key", None))!.StatusCode);
    }

    [Fact]
    public async Task A_key_of_an_append_is_taken_for_answers_too()
    {
        await Store.Mailboxes.AppendAsync(
            new AppendRequest(App, Durability.Durable, [new MessageDraft("ann", PayloadKind.Text, Bytes("a"), null)], new IdempotencyClaim("key", Fingerprint(1))), None);

        Assert.False(await Store.Idempotency.KeepAsync(App, "key", new IdempotentAnswer(Fingerprint(2), 200, default), None));
        Assert.Equal(Fingerprint(1), (await Store.Idempotency.FindAsync(App, "key", None))!.Fingerprint.ToArray());
    }

    [Fact]
    public async Task Facts_are_kept_replaced_and_removed()
    {
        await SetFactsAsync("space", ("a", "1"), ("b", "2"));
        await SetFactsAsync("other", ("a", "x"));
        await SetFactsAsync("space", ("a", "3"), ("b", null), ("c", ""));
        await Store.ReopenAsync();

        Assert.Equal("3", await FactAsync("space", "a"));
        Assert.Null(await FactAsync("space", "b"));
        Assert.Equal("", await FactAsync("space", "c"));
        Assert.Equal("x", await FactAsync("other", "a"));
        Assert.Null(await FactAsync("nowhere", "a"));
    }

    [Fact]
    public async Task A_list_of_facts_is_ordered_and_pages()
    {
        await SetFactsAsync("space", ("b", "2"), ("d", "4"), ("a", "1"), ("c", "3"));
        await SetFactsAsync("spacf", ("z", "9"));

        Assert.Equal(["a", "b"], (await Store.Facts.ListAsync("space", "", 2, None)).Select(fact => fact.Key));
        Assert.Equal(["c", "d"], (await Store.Facts.ListAsync("space", "b", 10, None)).Select(fact => fact.Key));
    }

    [Fact]
    public async Task Facts_over_the_limit_are_refused_with_the_fields_name()
    {
        async Task Refused(string field, string space, string key, byte[] value) => Assert.Contains(field, (await Assert.ThrowsAnyAsync<ArgumentException>(
            () => Store.Facts.SetAsync(space, [new("fine", Bytes("x")), new(key, value)], None).AsTask())).Message);

        await Refused("value", "space", "key", new byte[4_097]);
        await Refused("key", "space", new string('k', 4_097), []);
        await Refused("key", "space", "", []);
        await Refused("space", "", "key", []);
        Assert.Empty(await Store.Facts.ListAsync("space", "", 10, None));
    }

    private async Task SetFactsAsync(string space, params (string Key, string? Value)[] facts) =>
        await Store.Facts.SetAsync(
            space, [.. facts.Select(fact => new KeyValuePair<string, ReadOnlyMemory<byte>?>(fact.Key, fact.Value is null ? default(ReadOnlyMemory<byte>?) : Bytes(fact.Value)))], None);

    private async Task<string?> FactAsync(string space, string key) =>
        await Store.Facts.GetAsync(space, key, None) is { } value ? System.Text.Encoding.UTF8.GetString(value.Span) : null;
}
