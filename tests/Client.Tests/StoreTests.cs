using PushSystem.Client.Storage;
using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;

namespace PushSystem.Client.Tests;

public sealed class StoreTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private string Path => _folder.File();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task After_a_restart_the_login_tells_the_positions_and_nothing_is_shown_twice()
    {
        await using (var harness = new Harness(o => o.StorePath = Path))
        {
            var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
            await room.PushAsync(1);
            await room.PushAsync(2);
            await room.PushAsync(1, stream: StreamKind.Broadcast);
            await harness.TextsAsync(3);
        }
        await using (var harness = new Harness(o => o.StorePath = Path))
        {
            await harness.StartAsync();
            var room = await harness.Room.AcceptAsync();
            var binding = (await room.LoginAsync()).Bindings.Single();
            Assert.Equal((new StreamPosition(1, 2), new StreamPosition(1, 1)), (binding.Mailbox, binding.Broadcast));
            for (var seq = 1; seq <= 3; seq++)
                await room.PushAsync(seq);
            Assert.Equal(["Mailbox 3"], await harness.TextsAsync(1));
            Assert.Single(harness.Messages.All);
        }
    }

    [Fact]
    public void Positions_of_many_users_and_both_streams_survive()
    {
        using (var store = Open())
        {
            for (var i = 0; i < 50; i++)
            {
                Move(store, $"user-{i}", StreamKind.Mailbox, new StreamPosition(7, i));
                Move(store, $"user-{i}", StreamKind.Broadcast, new StreamPosition(uint.MaxValue, long.MaxValue - i));
            }
        }
        using (var store = Open())
        {
            for (var i = 0; i < 50; i++)
            {
                Assert.Equal(new StreamPosition(7, i), Get(store, $"user-{i}", StreamKind.Mailbox));
                Assert.Equal(new StreamPosition(uint.MaxValue, long.MaxValue - i), Get(store, $"user-{i}", StreamKind.Broadcast));
            }
        }
    }

    [Fact]
    public void Names_of_the_greatest_length_fit()
    {
        var app = new string('ä', 32);
        var user = new string('ö', 32);
        using (var store = Open())
        {
            var state = store.Take(app, user);
            Assert.True(store.TryMove(state, StreamKind.Mailbox, default, new StreamPosition(1, 5)));
        }
        using (var store = Open())
            Assert.Equal(new StreamPosition(1, 5), store.Position(store.Take(app, user), StreamKind.Mailbox));
    }

    [Fact]
    public void A_torn_tail_of_any_length_loses_only_the_last_record()
    {
        using (var store = Open())
        {
            Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, 1));
            Assert.True(store.TryFlush(false, out _));
            Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, 2));
        }
        var whole = File.ReadAllBytes(Path);
        Assert.Equal(3 * StoreRecord.Size, whole.Length);
        for (var cut = 1; cut < StoreRecord.Size; cut++)
        {
            File.WriteAllBytes(Path, whole[..^cut]);
            using (var store = Open())
            {
                Assert.Equal(new StreamPosition(1, 1), Get(store, "alice", StreamKind.Mailbox));
                Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, 3));
            }
            using (var store = Open())
            {
                Assert.Equal(new StreamPosition(1, 3), Get(store, "alice", StreamKind.Mailbox));
                Assert.Equal(0, store.Damaged);
            }
        }
    }

    [Fact]
    public void A_damaged_record_anywhere_hides_no_other_one()
    {
        using (var store = Open())
        {
            for (var i = 0; i < 4; i++)
            {
                Move(store, $"user-{i}", StreamKind.Mailbox, new StreamPosition(1, 10 + i));
                Assert.True(store.TryFlush(false, out _));
            }
        }
        var whole = File.ReadAllBytes(Path);
        for (var offset = StoreRecord.Size; offset < whole.Length; offset += 7)
        {
            var bytes = (byte[])whole.Clone();
            bytes[offset] ^= 0x10;
            File.WriteAllBytes(Path, bytes);
            var hit = (offset / StoreRecord.Size) - 1;
            using var store = Open();
            Assert.Equal(1, store.Damaged);
            for (var i = 0; i < 4; i++)
                Assert.Equal(i == hit ? default : new StreamPosition(1, 10 + i), Get(store, $"user-{i}", StreamKind.Mailbox));
        }
    }

    [Fact]
    public async Task A_file_that_is_no_store_is_put_aside_and_the_application_is_told()
    {
        var photo = new byte[1000];
        Random.Shared.NextBytes(photo);
        await File.WriteAllBytesAsync(Path, photo);
        await using (var harness = new Harness(o => o.StorePath = Path))
        {
            await harness.StartUnboundAsync();
            var error = await harness.Errors.NextAsync();
            Assert.Equal(ClientErrorKind.Store, error.Kind);
            Assert.Contains(".damaged", error.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(photo, await File.ReadAllBytesAsync(Path + ".damaged"));
        using var store = Open();
        Assert.Null(store.SetAsidePath);
    }

    [Fact]
    public void The_store_of_another_device_is_refused_and_left_as_it_is()
    {
        using (var store = Open())
            Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, 1));
        var before = File.ReadAllBytes(Path);
        Assert.Contains("phone-1", Assert.Throws<InvalidOperationException>(() => StateStore.Open(Path, "phone-2")).Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Path));
    }

    [Fact]
    public void A_store_that_is_open_cannot_be_opened_again()
    {
        using var store = Open();
        Assert.Throws<IOException>(() => Open());
    }

    [Fact]
    public void The_file_is_rewritten_when_it_has_grown_and_keeps_everything()
    {
        using (var store = Open())
        {
            store.SetAddresses(["10.0.0.1:7402", "10.0.0.2:7402"], DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
            Assert.True(store.TryNextSendId(store.Take("demo", "alice"), 5_000, out _, out _));
            Move(store, "bob", StreamKind.Broadcast, new StreamPosition(2, 2));
            for (var seq = 1; seq <= 5_000; seq++)
            {
                Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, seq));
                Assert.True(store.TryFlush(false, out _));
            }
        }
        Assert.InRange(new FileInfo(Path).Length, StoreRecord.Size, 70_000);
        Assert.False(File.Exists(Path + ".new"));
        using (var store = Open())
        {
            Assert.Equal(new StreamPosition(1, 5_000), Get(store, "alice", StreamKind.Mailbox));
            Assert.Equal(new StreamPosition(2, 2), Get(store, "bob", StreamKind.Broadcast));
            Assert.Equal(["10.0.0.1:7402", "10.0.0.2:7402"], store.Addresses.Items);
            Assert.Equal(1_900_000_000, store.Addresses.ExpiresAt.ToUnixTimeSeconds());
            Assert.True(store.TryNextSendId(store.Take("demo", "alice"), 0, out var id, out _));
            Assert.Equal(6_000, id);
        }
    }

    [Fact]
    public void A_leftover_of_an_interrupted_rewrite_is_of_no_consequence()
    {
        using (var store = Open())
            Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, 7));
        File.WriteAllText(Path + ".new", "half a file");
        using (var store = Open())
        {
            Assert.Equal(new StreamPosition(1, 7), Get(store, "alice", StreamKind.Mailbox));
            for (var seq = 8; seq <= 1_000; seq++)
            {
                Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, seq));
                Assert.True(store.TryFlush(false, out _));
            }
        }
        using (var store = Open())
            Assert.Equal(new StreamPosition(1, 1_000), Get(store, "alice", StreamKind.Mailbox));
    }

    [Fact]
    public void Users_that_are_not_bound_any_more_are_forgotten_oldest_first()
    {
        using (var store = Open())
        {
            var kept = store.Take("demo", "bound");
            Assert.True(store.TryMove(kept, StreamKind.Mailbox, default, new StreamPosition(1, 1)));
            for (var i = 0; i < 600; i++)
            {
                Move(store, $"user-{i}", StreamKind.Mailbox, new StreamPosition(1, i + 1));
                Assert.True(store.TryFlush(false, out _));
            }
            Assert.Equal(new StreamPosition(1, 600), Get(store, "user-599", StreamKind.Mailbox));
            Assert.Equal(default, Get(store, "user-0", StreamKind.Mailbox));
            Assert.Equal(new StreamPosition(1, 1), store.Position(kept, StreamKind.Mailbox));
        }
    }

    [Fact]
    public void Upstream_ids_grow_over_restarts()
    {
        var last = 0L;
        for (var run = 0; run < 3; run++)
        {
            using var store = Open();
            for (var i = 0; i < 2_500; i++)
            {
                Assert.True(store.TryNextSendId(store.Take("demo", "alice"), 1_000, out var id, out _));
                Assert.True(id > last, $"{id} after {last}");
                last = id;
            }
        }
    }

    [Fact]
    public void Upstream_ids_of_a_lost_store_begin_at_the_clock()
    {
        using var store = StateStore.Open(null, "phone-1");
        Assert.True(store.TryNextSendId(store.Take("demo", "alice"), 1_790_000_000_000, out var first, out _));
        Assert.True(store.TryNextSendId(store.Take("demo", "alice"), 1_790_000_999_000, out var second, out _));
        Assert.Equal((1_790_000_000_000, 1_790_000_000_001), (first, second));
    }

    [Fact]
    public void A_position_is_only_set_over_the_one_that_was_expected()
    {
        using var store = StateStore.Open(null, "phone-1");
        var state = store.Take("demo", "alice");
        Assert.True(store.TryMove(state, StreamKind.Mailbox, default, new StreamPosition(1, 5)));
        Assert.False(store.TryMove(state, StreamKind.Mailbox, new StreamPosition(1, 4), new StreamPosition(1, 6)));
        Assert.Equal(new StreamPosition(1, 5), store.Position(state, StreamKind.Mailbox));
    }

    [Fact]
    public void A_failed_write_is_made_up_by_the_next_one()
    {
        FailingFile? file = null;
        using (var store = StateStore.Open(Path, "phone-1", path => file = new FailingFile(path)))
        {
            file!.Fails = true;
            Move(store, "alice", StreamKind.Mailbox, new StreamPosition(1, 1));
            Assert.False(store.TryFlush(false, out var error));
            Assert.Contains("no space", error.Message, StringComparison.Ordinal);
            Assert.False(store.TryNextSendId(store.Take("demo", "alice"), 1, out _, out _));
            file.Fails = false;
            Assert.True(store.TryFlush(false, out _));
        }
        using (var store = Open())
            Assert.Equal(new StreamPosition(1, 1), Get(store, "alice", StreamKind.Mailbox));
    }

    private StateStore Open() => StateStore.Open(Path, "phone-1");

    private static void Move(StateStore store, string user, StreamKind stream, StreamPosition to)
    {
        var state = store.Take("demo", user);
        Assert.True(store.TryMove(state, stream, store.Position(state, stream), to));
        store.Release(state);
    }

    private static StreamPosition Get(StateStore store, string user, StreamKind stream)
    {
        var state = store.Take("demo", user);
        var position = store.Position(state, stream);
        store.Release(state);
        return position;
    }
}
