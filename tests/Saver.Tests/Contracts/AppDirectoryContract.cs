using PushSystem.Contracts;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>The apps. Inherited by each backend.</summary>
public abstract class AppDirectoryContract : ContractSuite
{
    private IAppDirectory Apps => Store.Apps;

    [Fact]
    public async Task Everything_of_an_app_is_kept_over_a_restart()
    {
        var app = new AppRecord
        {
            Id = "full.app-1_x",
            Name = "Füll",
            Enabled = false,
            CreatedAt = 77,
            ApiKeys = [new ApiKey("k1", Fingerprint(1), 5), new ApiKey("k2", Fingerprint(2), 6)],
            TicketKeys = [new AppTicketKey(4_000_000_000, Bytes("0123456789abcdef"), 7)],
            Webhook = new WebhookSettings("https://x/", new Dictionary<string, string> { ["chat"] = "https://y/" }, [Bytes("secret-of-24-bytes-or-so")], true),
            Limits = new AppLimits { MailboxMessages = 5, MailboxAge = TimeSpan.FromMinutes(3), RequestsPerSecond = 9 },
        };
        var saved = await Apps.SaveAsync(app, 0, None);
        await Store.ReopenAsync();
        var found = Apps.Find(app.Id)!;

        Assert.Equal(1, saved!.Revision);
        Assert.Equal((app.Id, app.Name, false, 1, 77), (found.Id, found.Name, found.Enabled, found.Revision, found.CreatedAt));
        Assert.Equal(["k1", "k2"], found.ApiKeys.Select(key => key.Id));
        Assert.Equal(Fingerprint(2), found.ApiKeys[1].Hash.ToArray());
        Assert.Equal((4_000_000_000, 7), (found.TicketKeys[0].Id, found.TicketKeys[0].CreatedAt));
        Assert.Equal(4_000_000_000, found.SigningKeys[0].Id);
        Assert.Equal(Bytes("0123456789abcdef"), found.TicketKeys[0].Secret.ToArray());
        Assert.Equal(("https://x/", "https://y/", true), (found.Webhook!.Url, found.Webhook.TypeUrls["chat"], found.Webhook.Presence));
        Assert.Equal(Bytes("secret-of-24-bytes-or-so"), found.Webhook.Secrets[0].ToArray());
        Assert.Equal(app.Limits, found.Limits);
    }

    [Fact]
    public async Task A_change_needs_the_revision_that_is_stored()
    {
        var first = await Apps.SaveAsync(new AppRecord { Id = "a", Name = "one" }, 0, None);
        Assert.Null(await Apps.SaveAsync(new AppRecord { Id = "a", Name = "two" }, 0, None));
        Assert.Null(await Apps.SaveAsync(new AppRecord { Id = "new" }, 1, None));
        var second = await Apps.SaveAsync(first! with { Name = "two" }, 1, None);

        Assert.Equal((2, "two"), (second!.Revision, Apps.Find("a")!.Name));
        Assert.Null(Apps.Find("new"));
    }

    [Fact]
    public async Task Of_changes_at_once_one_wins()
    {
        var saved = await Task.WhenAll(Enumerable.Range(0, 32).Select(i =>
            Task.Run(() => Apps.SaveAsync(new AppRecord { Id = "a", Name = $"{i}" }, 0, None).AsTask())));

        var winner = Assert.Single(saved, record => record is not null);
        Assert.Equal(winner!.Name, Apps.Find("a")!.Name);
    }

    [Fact]
    public async Task Apps_are_ordered_by_id()
    {
        foreach (var id in (string[])["b", "a.z", "a-z"])
            await Apps.SaveAsync(new AppRecord { Id = id }, 0, None);

        Assert.Equal(["a-z", "a.z", "b", App], Apps.All.Select(app => app.Id));
    }

    [Fact]
    public async Task A_key_is_found_by_its_hash_until_it_is_withdrawn()
    {
        var app = await Apps.SaveAsync(new AppRecord { Id = "a", ApiKeys = [new ApiKey("k", Fingerprint(9), 0)] }, 0, None);
        Assert.Equal("a", Apps.FindByApiKeyHash(Fingerprint(9))!.Id);
        await Apps.SaveAsync(app! with { ApiKeys = [] }, 1, None);

        Assert.Null(Apps.FindByApiKeyHash(Fingerprint(9)));
        Assert.Null(Apps.FindByApiKeyHash(Bytes("short")));
    }

    [Fact]
    public async Task A_key_cannot_belong_to_two_apps()
    {
        await Apps.SaveAsync(new AppRecord { Id = "a", ApiKeys = [new ApiKey("k", Fingerprint(9), 0)] }, 0, None);
        var refusal = await Assert.ThrowsAsync<ArgumentException>(
            () => Apps.SaveAsync(new AppRecord { Id = "b", ApiKeys = [new ApiKey("k2", Fingerprint(9), 0)] }, 0, None).AsTask());

        Assert.Contains("apiKeys", refusal.Message);
        Assert.Null(Apps.Find("b"));
        Assert.Equal("a", Apps.FindByApiKeyHash(Fingerprint(9))!.Id);
    }

    [Fact]
    public async Task Bad_input_is_refused_with_the_fields_name()
    {
        async Task Refused(string field, AppRecord app) =>
            Assert.Contains(field, (await Assert.ThrowsAnyAsync<ArgumentException>(() => Apps.SaveAsync(app, 0, None).AsTask())).Message);

        foreach (var id in (string[])["", "-a", "A", "a b", new string('a', 65)])
            await Refused("id", new AppRecord { Id = id });
        await Refused("apiKeys", new AppRecord { Id = "a", ApiKeys = [new ApiKey("k", Bytes("short"), 0)] });
        await Refused("ticketKeys", new AppRecord { Id = "a", TicketKeys = [new(1, Bytes("0123456789abcdef"), 0), new(2, Bytes("0123456789abcdef"), 0), new(3, Bytes("0123456789abcdef"), 0)] });
        await Refused("mailboxMessages", new AppRecord { Id = "a", Limits = new AppLimits { MailboxMessages = 0 } });
        await Refused("mailboxAge", new AppRecord { Id = "a", Limits = new AppLimits { MailboxAge = TimeSpan.Zero } });
        Assert.Equal([App], Apps.All.Select(app => app.Id));
    }
}
