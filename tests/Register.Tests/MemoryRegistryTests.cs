using PushSystem.Contracts;
using PushSystem.Register.Tests.Contracts;

namespace PushSystem.Register.Tests;

/// <summary>The contract over the registry in memory, and its sweeping.</summary>
public sealed class MemoryRegistryTests : SessionRegistryContract
{
    protected override Task<ISessionRegistry> OpenAsync() =>
        Task.FromResult<ISessionRegistry>(new SessionRegistry(new RegisterOptions { Shards = 4 }, Clock, Rooms));

    [Fact]
    public async Task Entries_of_a_room_that_is_dead_in_two_rounds_are_removed()
    {
        await BindAsync(Entry("ann"));
        await BindAsync(Entry("bob", "r2", 20));
        Rooms.Remove("r2");
        Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.NotNull(await LookupAsync("bob"));
        Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Null(await LookupAsync("bob"));
        Assert.NotNull(await LookupAsync("ann"));
        Rooms.Add("r2", 20);
        Assert.Equal(1, await Registry.CountAsync("shop", None));
    }

    [Fact]
    public async Task A_room_that_is_heard_of_late_keeps_its_sessions()
    {
        await BindAsync(Entry("ann", "r3", 30));
        Clock.Advance(TimeSpan.FromMinutes(1));
        Rooms.Add("r3", 30);
        Clock.Advance(TimeSpan.FromMinutes(1));
        Rooms.Remove("r3");
        Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.NotNull(await LookupAsync("ann"));
    }

    [Fact]
    public async Task An_older_incarnation_is_dead_although_the_room_lives()
    {
        await BindAsync(Entry("ann", incarnation: 9));
        Clock.Advance(TimeSpan.FromMinutes(2));

        Assert.Null(await LookupAsync("ann"));
    }

    [Fact]
    public async Task Without_a_directory_everything_counts_and_stays()
    {
        await using var registry = new SessionRegistry(new RegisterOptions(), Clock);
        await registry.BindAsync([Entry("ann", "anywhere", 1)], None);
        Clock.Advance(TimeSpan.FromHours(1));

        Assert.Equal(1, await registry.CountAsync("shop", None));
        Assert.NotNull((await registry.LookupAsync([Key("ann")], None))[0]);
    }

    [Fact]
    public void Bad_options_are_refused_with_their_names()
    {
        Assert.Contains("Shards", Assert.Throws<ArgumentOutOfRangeException>(
            () => new SessionRegistry(new RegisterOptions { Shards = 0 }, Clock)).Message);
        Assert.Contains("SweepInterval", Assert.Throws<ArgumentOutOfRangeException>(
            () => new SessionRegistry(new RegisterOptions { SweepInterval = TimeSpan.Zero }, Clock)).Message);
    }
}
