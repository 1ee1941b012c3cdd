using PushSystem.Client.Storage;
using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class AckTests
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(FakeConnection.DefaultSettings.AckDelayMilliseconds);

    [Fact]
    public async Task One_ack_follows_when_the_count_is_reached()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 4 });
        for (var seq = 1; seq <= 8; seq++)
        {
            await room.PushAsync(seq);
            if (seq % 4 == 0)
                Assert.Equal(seq, (await room.ReadAckAsync()).Seq);
        }
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(0, room.Unread);
    }

    [Fact]
    public async Task Fewer_messages_are_acknowledged_after_the_delay_and_not_before()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await harness.Clock.ArmedAsync(Delay, "the ack timer");
        await room.PushAsync(2);
        await harness.TextsAsync(2);
        harness.Clock.Advance(Delay - TimeSpan.FromMilliseconds(1));
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(0, room.Unread);
        harness.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, (await room.ReadAckAsync()).Seq);
    }

    [Fact]
    public async Task Both_streams_are_acknowledged_in_one_batch()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 3 });
        await room.PushAsync(1);
        await room.PushAsync(1, stream: StreamKind.Broadcast);
        await room.PushAsync(2);
        var acks = new[] { await room.ReadAckAsync(), await room.ReadAckAsync() };
        Assert.Contains(acks, a => a is { Stream: StreamKind.Mailbox, Seq: 2 });
        Assert.Contains(acks, a => a is { Stream: StreamKind.Broadcast, Seq: 1 });
    }

    [Fact]
    public async Task Nothing_is_acknowledged_before_the_handler_has_completed()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(0, room.Unread);
        gate.SetResult();
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
    }

    [Fact]
    public async Task What_was_processed_is_acknowledged_when_the_client_is_disposed()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        await room.PushAsync(1);
        await room.PushAsync(2);
        await harness.Clock.ArmedAsync(Delay, "the ack timer");
        await harness.TextsAsync(2);
        await harness.Client.DisposeAsync();
        Assert.Equal(2, (await room.ReadAckAsync()).Seq);
        await room.ClosedAsync("dispose");
    }

    [Fact]
    public async Task The_message_of_a_running_handler_is_still_acknowledged_when_the_client_is_disposed()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync();
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        var dispose = harness.Client.DisposeAsync().AsTask();
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(4), "the wait for the handler");
        gate.SetResult();
        Assert.Equal(1, (await room.ReadAckAsync()).Seq);
        await Waiting.For(dispose, "dispose");
    }

    [Fact]
    public async Task A_handler_that_does_not_end_holds_up_the_stop_only_for_the_stop_timeout()
    {
        await using var harness = new Harness();
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        var gate = new TaskCompletionSource();
        harness.Handler = async _ => await gate.Task;
        await room.PushAsync(1);
        await harness.TextsAsync(1);
        var dispose = harness.Client.DisposeAsync().AsTask();
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(4), "the wait for the handler");
        harness.Clock.Advance(TimeSpan.FromSeconds(4));
        await Waiting.For(dispose, "dispose");
        Assert.Equal(ClientErrorKind.Handler, Assert.Single(harness.Errors.All).Kind);
        Assert.Equal(0, room.Unread);
        gate.SetResult();
    }

    [Fact]
    public async Task The_position_is_in_the_file_before_the_ack_leaves()
    {
        using var folder = new TempFolder();
        await using var harness = new Harness(o => o.StorePath = folder.File());
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        for (var seq = 1; seq <= 20; seq++)
        {
            await room.PushAsync(seq);
            Assert.Equal(seq, (await room.ReadAckAsync()).Seq);
            Assert.Equal(seq, LastPositionIn(folder.File()));
        }
    }

    [Fact]
    public async Task No_ack_leaves_while_the_store_cannot_be_written()
    {
        using var folder = new TempFolder();
        FailingFile? file = null;
        await using var harness = new Harness(o => o.StorePath = folder.File(), openFile: path => file = new FailingFile(path));
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        // Reserves upstream ids, which would be refused later.
        await harness.Client.RoundTripAsync(room);
        file!.Fails = true;
        await room.PushAsync(1);
        await room.PushAsync(2);
        Assert.Equal(ClientErrorKind.Store, (await harness.Errors.NextAsync()).Kind);
        await harness.TextsAsync(2);
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(1), "the next try to write the store");
        await harness.Client.RoundTripAsync(room);
        Assert.Equal(0, room.Unread);
        file.Fails = false;
        harness.Clock.Advance(TimeSpan.FromSeconds(1));
        var ack = await room.ReadAckAsync();
        Assert.Equal(2, ack.Seq);
        Assert.Equal(2, LastPositionIn(folder.File()));
        Assert.Single(harness.Errors.All);
    }

    [Fact]
    public async Task With_flush_to_disk_every_ack_is_preceded_by_a_flush()
    {
        using var folder = new TempFolder();
        FailingFile? file = null;
        await using var harness = new Harness(o => (o.StorePath, o.FlushStoreToDisk) = (folder.File(), true), openFile: path => file = new FailingFile(path));
        var room = await harness.StartOnlineAsync(FakeConnection.DefaultSettings with { AckCount = 1 });
        for (var seq = 1; seq <= 3; seq++)
        {
            await room.PushAsync(seq);
            await room.ReadAckAsync();
            Assert.Equal(seq, file!.Flushes);
        }
    }

    private static long LastPositionIn(string path)
    {
        // The client holds a lock on the file; a copy of the bytes is taken past it.
        var copy = path + ".copy";
        CopyLocked(path, copy);
        using var store = StateStore.Open(copy, "phone-1");
        return store.Position(store.Take("demo", "alice"), StreamKind.Mailbox).Seq;
    }

    private static void CopyLocked(string from, string to)
    {
        using var process = System.Diagnostics.Process.Start("cp", [from, to]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
