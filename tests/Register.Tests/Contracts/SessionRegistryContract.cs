using PushSystem.Contracts;
using PushSystem.TestSupport;

namespace PushSystem.Register.Tests.Contracts;

/// <summary>What every session registry must do. Inherited by each backend; each test has its own registry, empty.</summary>
public abstract class SessionRegistryContract : IAsyncLifetime
{
    protected const string App = "shop";

    protected static CancellationToken None => CancellationToken.None;

    protected ISessionRegistry Registry { get; private set; } = null!;
    protected FakeClock Clock { get; } = new();
    protected FakeRooms Rooms { get; } = new();

    /// <summary>Makes a registry; called again for a restart.</summary>
    protected abstract Task<ISessionRegistry> OpenAsync();

    public async ValueTask InitializeAsync()
    {
        Rooms.Add("r1", 10);
        Rooms.Add("r2", 20);
        Registry = await OpenAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (Registry is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_bound_session_is_found_as_it_was_given()
    {
        var entry = Entry("ann") with { Device = "phone", RemoteAddress = "10.0.0.1:5", BoundAt = 77 };
        var reply = await BindAsync(entry);

        Assert.True(reply.Generation > 0);
        Assert.Null(reply.Previous);
        Assert.Equal(entry with { Generation = reply.Generation }, await LookupAsync("ann"));
    }

    [Fact]
    public async Task A_user_that_is_not_bound_is_null()
    {
        Assert.Null(await LookupAsync("nobody"));
    }

    [Fact]
    public async Task A_new_session_replaces_the_old_one_and_returns_it()
    {
        var first = await BindAsync(Entry("ann"));
        var second = await BindAsync(Entry("ann", room: "r2", incarnation: 20, connection: 5));

        Assert.True(second.Generation > first.Generation);
        Assert.Equal(("r1", 10, first.Generation), (second.Previous!.Room, second.Previous.Incarnation, second.Previous.Generation));
        Assert.Equal(("r2", 5ul), (await LookupAsync("ann"))! is var found ? (found.Room, found.Connection) : default);
    }

    [Fact]
    public async Task An_older_session_that_is_bound_again_is_refused_and_changes_nothing()
    {
        var old = await BindAsync(Entry("ann"));
        var current = await BindAsync(Entry("ann", connection: 2));
        var late = await BindAsync(Entry("ann") with { Generation = old.Generation });

        Assert.Equal(default, late);
        Assert.Equal(current.Generation, (await LookupAsync("ann"))!.Generation);
    }

    [Fact]
    public async Task The_current_session_may_be_bound_again_by_another_incarnation()
    {
        var first = await BindAsync(Entry("ann"));
        var again = await BindAsync(Entry("ann", incarnation: 11) with { Generation = first.Generation });

        Assert.True(again.Generation > first.Generation);
        Assert.Equal(11, (await LookupAsync("ann"))!.Incarnation);
    }

    [Fact]
    public async Task A_session_is_taken_back_after_the_registry_lost_it()
    {
        var first = await BindAsync(Entry("ann"));
        await UnbindAsync(Entry("ann"));
        var again = await BindAsync(Entry("ann") with { Generation = first.Generation + 1_000 });

        Assert.True(again.Generation > first.Generation + 1_000);
        await UnbindAsync(Entry("ann"));
        Assert.True((await BindAsync(Entry("ann"))).Generation > again.Generation);
    }

    [Fact]
    public async Task Generations_are_higher_after_a_restart()
    {
        long last = 0;
        for (var i = 0; i < 1_000; i++)
            last = (await BindAsync(Entry("ann", connection: (ulong)i))).Generation;
        Clock.Advance(TimeSpan.FromMilliseconds(1));
        var restarted = await OpenAsync();

        Assert.True((await restarted.BindAsync([Entry("ann")], None))[0].Generation > last);
        if (restarted is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
    }

    [Fact]
    public async Task A_removed_session_is_gone()
    {
        await BindAsync(Entry("ann"));

        Assert.True(await UnbindAsync(Entry("ann")));
        Assert.Null(await LookupAsync("ann"));
        Assert.False(await UnbindAsync(Entry("ann")));
    }

    [Theory]
    [InlineData("r2", 10, 1)]
    [InlineData("r1", 9, 1)]
    [InlineData("r1", 10, 2)]
    public async Task Late_release_does_not_remove_newer_login(string room, long incarnation, ulong connection)
    {
        await BindAsync(Entry("ann"));

        Assert.False(await UnbindAsync(Entry("ann", room, incarnation, connection)));
        Assert.NotNull(await LookupAsync("ann"));
    }

    [Fact]
    public async Task A_release_needs_no_generation()
    {
        await BindAsync(Entry("ann"));

        Assert.True(await UnbindAsync(Entry("ann") with { Device = "other" }));
    }

    [Fact]
    public async Task A_release_that_names_a_generation_removes_only_that_one()
    {
        var first = await BindAsync(Entry("ann"));
        var second = await BindAsync(Entry("ann") with { Generation = first.Generation });

        Assert.False(await UnbindAsync(Entry("ann") with { Generation = first.Generation }));
        Assert.True(await UnbindAsync(Entry("ann") with { Generation = second.Generation }));
    }

    [Fact]
    public async Task The_parts_have_numbers_that_stay()
    {
        var epochs = await Registry.EpochsAsync(None);
        await BindAsync(Entry("ann"));

        Assert.NotEmpty(epochs);
        Assert.DoesNotContain(0, epochs);
        Assert.Equal(epochs, await Registry.EpochsAsync(None));
    }

    [Fact]
    public async Task Whatever_the_fields_hold_comes_back()
    {
        SessionEntry[] entries =
        [
            Entry("") with { Room = "r", Device = "", RemoteAddress = "" },
            Entry("7b0f7f5c-2f0e-4b0e-8a53-0d5c5e4b7a11") with { Device = "8d3a1d61-0d9c-4a3e-9a3e-2b5f8f6f2f10", RemoteAddress = "192.168.0.1:65535" },
            Entry("7B0F7F5C-2F0E-4B0E-8A53-0D5C5E4B7A11") with { Device = "8D3A1D61-0D9C-4A3E-9A3E-2B5F8F6F2F10", RemoteAddress = "[2001:db8::1]:80" },
            Entry(new string('ü', 32)) with { Room = new string('x', 64), Device = new string('d', 64), RemoteAddress = "not an address" },
            Entry("big", incarnation: long.MaxValue, connection: ulong.MaxValue) with { BoundAt = (1L << 48) - 1, RemoteAddress = "1.2.3.4:0" },
            Entry("small", incarnation: 0, connection: 0) with { RemoteAddress = "1.2.3.4" },
            Entry("line\n\0{}") with { Device = "\u00e9", RemoteAddress = "[::1]:1" },
        ];
        var replies = await Registry.BindAsync(entries, None);
        var found = await Registry.LookupAsync([.. entries.Select(entry => entry.Key)], None);

        Assert.Equal(entries.Zip(replies, (entry, reply) => entry with { Generation = reply.Generation }), found);
    }

    [Fact]
    public async Task Answers_are_in_the_order_of_the_requests()
    {
        var replies = await Registry.BindAsync([Entry("ann"), Entry("bob"), Entry("ann", connection: 9)], None);
        var found = await Registry.LookupAsync([Key("bob"), Key("nobody"), Key("ann")], None);
        var removed = await Registry.UnbindAsync([Entry("ann"), Entry("bob")], None);

        Assert.Equal(1ul, replies[2].Previous!.Connection);
        Assert.True(replies[0].Generation < replies[2].Generation);
        Assert.Equal(["bob", null, "ann"], found.Select(entry => entry?.Key.User));
        Assert.Equal([false, true], removed);
    }

    [Fact]
    public async Task Apps_do_not_see_each_other()
    {
        await BindAsync(Entry("ann"));
        await BindAsync(Entry("ann", connection: 2) with { Key = new UserKey("other", "ann") });

        Assert.Equal(1ul, (await LookupAsync("ann"))!.Connection);
        Assert.Equal(1, await Registry.CountAsync(App, None));
        Assert.Equal(1, await Registry.CountAsync("other", None));
        Assert.Equal(0, await Registry.CountAsync("third", None));
    }

    [Fact]
    public async Task The_count_follows_binds_takeovers_and_releases()
    {
        for (var i = 0; i < 500; i++)
            await BindAsync(Entry($"user{i}"));
        for (var i = 0; i < 100; i++)
            await BindAsync(Entry($"user{i}", "r2", 20, 7));
        for (var i = 0; i < 200; i++)
            await UnbindAsync(Entry($"user{i}"));

        Assert.Equal(400, await Registry.CountAsync(App, None));
    }

    [Fact]
    public async Task Sessions_of_dead_rooms_do_not_count()
    {
        await BindAsync(Entry("ann"));
        await BindAsync(Entry("bob", "r2", 20));
        await BindAsync(Entry("cid", "r1", 9));
        Assert.Equal(2, await Registry.CountAsync(App, None));
        Rooms.Remove("r2");

        Assert.Equal(1, await Registry.CountAsync(App, None));
    }

    [Fact]
    public async Task Of_many_binds_at_once_the_one_with_the_highest_generation_stands_and_each_replaces_another()
    {
        const int Binds = 2_000;
        var replies = await Task.WhenAll(Enumerable.Range(1, Binds).Select(i => Task.Run(() => BindAsync(Entry("ann", connection: (ulong)i)))));
        var standing = (await LookupAsync("ann"))!;

        Assert.Equal(replies.Max(reply => reply.Generation), standing.Generation);
        Assert.Equal(Binds, replies.Select(reply => reply.Generation).Distinct().Count());
        Assert.Single(replies, reply => reply.Previous is null);
        Assert.Equal(Binds - 1, replies.Where(reply => reply.Previous is not null).Select(reply => reply.Previous!.Connection).Distinct().Count());
        Assert.All(replies, reply => Assert.True(reply.Previous is null || reply.Previous.Generation < reply.Generation));
        Assert.Equal(1, await Registry.CountAsync(App, None));
    }

    [Fact]
    public async Task Binds_and_late_releases_at_once_never_lose_the_last_login()
    {
        await Task.WhenAll(Enumerable.Range(0, 50).Select(user => Task.Run(async () =>
        {
            for (ulong connection = 1; connection <= 50; connection++)
            {
                var bind = BindAsync(Entry($"user{user}", connection: connection + 1));
                var release = UnbindAsync(Entry($"user{user}", connection: connection));
                await Task.WhenAll(bind, release);
            }
        })));

        Assert.Equal(50, await Registry.CountAsync(App, None));
        for (var user = 0; user < 50; user++)
            Assert.Equal(51ul, (await LookupAsync($"user{user}"))!.Connection);
    }

    [Fact]
    public async Task A_negative_generation_is_refused()
    {
        await Assert.ThrowsAnyAsync<ArgumentException>(() => BindAsync(Entry("ann") with { Generation = -1 }));
        Assert.Null(await LookupAsync("ann"));
    }

    protected static UserKey Key(string user) => new(App, user);

    protected static SessionEntry Entry(string user, string room = "r1", long incarnation = 10, ulong connection = 1) =>
        new() { Key = Key(user), Room = room, Incarnation = incarnation, Connection = connection };

    protected async Task<BindReply> BindAsync(SessionEntry entry) => (await Registry.BindAsync([entry], None))[0];

    protected async Task<bool> UnbindAsync(SessionEntry entry) => (await Registry.UnbindAsync([entry], None))[0];

    protected async Task<SessionEntry?> LookupAsync(string user) => (await Registry.LookupAsync([Key(user)], None))[0];
}
