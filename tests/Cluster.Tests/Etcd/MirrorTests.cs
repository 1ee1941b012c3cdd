using System.Text;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Etcd;

public sealed class MirrorTests
{
    private const string Range = "/v3/kv/range";
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task A_mirror_lists_and_watches_from_the_next_revision_together_with_the_heartbeat()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script(Range, FakeReply.List(40, ("/a/1", "x", 7, 9)));
        await using var mirror = world.Client.Mirror("/a/");
        var watch = await world.Fake.Watch(1);
        await Waiting.For(mirror.Ready, "the first list");
        Assert.Equal(40, mirror.Current.Revision);
        Assert.Equal(("x", 7, 9), Entry(mirror, "/a/1"));
        Assert.Equal(41, watch.StartRevision);
        Assert.Equal(2, watch.Creates.Length);
        Assert.Contains(Json.Base64("/push/heartbeat"), watch.Creates[1], StringComparison.Ordinal);
        Assert.Contains("\"progress_notify\":true", watch.Creates[0], StringComparison.Ordinal);
        // The first list may be served by any member; that spares the leader when everybody starts at once.
        Assert.Equal("True", world.Fake.Requests(Range)[0]["serializable"]);
    }

    [Fact]
    public async Task Puts_have_no_type_and_deletions_no_value()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        await fixture.Watch.Send(Json.Events(41, Json.Put("/a/2", "y", 41, 41)), Json.Events(42, Json.Delete("/a/1", 42)));
        await fixture.Until(42);
        Assert.Equal(["/a/2"], fixture.Mirror.Current.Entries.Keys);
        Assert.Equal(("y", 41, 41), Entry(fixture.Mirror, "/a/2"));
    }

    [Fact]
    public async Task The_events_of_one_line_are_one_change()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        await fixture.Watch.Send(Json.Events(41, Json.Delete("/a/1", 41), Json.Put("/a/2", "y", 41, 41), Json.Put("/a/3", "z", 41, 41)));
        await fixture.Until(41);
        var (before, after) = Assert.Single(fixture.Changes, change => change.After.Revision == 41);
        Assert.Equal(["/a/1"], before.Entries.Keys);
        Assert.Equal(2, after.Entries.Count);
    }

    [Fact]
    public async Task A_killed_etcd_ends_the_body_without_terminator_and_the_watch_resumes_behind_what_it_has()
    {
        await using var fixture = await Fixture.StartAsync();
        await fixture.Watch.Send(Json.Events(45, Json.Put("/a/1", "x", 45, 45)));
        await fixture.Until(45);
        fixture.Watch.Cut();
        Assert.Equal(46, (await fixture.Next()).StartRevision);
        Assert.Single(fixture.World.Fake.Requests(Range));
    }

    [Fact]
    public async Task A_stream_that_ends_cleanly_is_opened_again()
    {
        await using var fixture = await Fixture.StartAsync();
        fixture.Watch.End();
        Assert.Equal(41, (await fixture.Next()).StartRevision);
        Assert.Single(fixture.World.Fake.Requests(Range));
    }

    [Fact]
    public async Task The_next_watch_begins_behind_the_last_event_and_not_behind_the_header()
    {
        await using var fixture = await Fixture.StartAsync();
        // A watch that catches up: the store is at 90, the events sent so far reach to 45.
        await fixture.Watch.Send(Json.Events(90, Json.Put("/a/1", "x", 45, 45)));
        await fixture.Until(45);
        fixture.Watch.Cut();
        Assert.Equal(46, (await fixture.Next()).StartRevision);
    }

    [Fact]
    public async Task Progress_is_a_sign_of_life_and_nothing_else()
    {
        await using var fixture = await Fixture.StartAsync();
        await fixture.Watch.Send(Json.Progress(90), Json.Events(41, Json.Put("/a/1", "x", 41, 41)));
        await fixture.Until(41);
        Assert.Equal(41, fixture.Mirror.Current.Revision);
    }

    [Fact]
    public async Task A_compacted_revision_is_answered_by_a_list_and_a_watch_behind_it()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        fixture.World.Fake.Script(Range, FakeReply.List(80, ("/a/2", "y", 70, 70)));
        await fixture.Watch.Send(Json.Compacted(60));
        Assert.Equal(81, (await fixture.Next()).StartRevision);
        Assert.Equal(["/a/2"], fixture.Mirror.Current.Entries.Keys);
        Assert.Equal(2, fixture.World.Fake.Requests(Range).Count);
    }

    [Fact]
    public async Task A_compaction_told_as_an_error_is_one()
    {
        await using var fixture = await Fixture.StartAsync();
        fixture.World.Fake.Script(Range, FakeReply.List(80));
        await fixture.Watch.Send("""{"error":{"grpc_code":11,"http_code":400,"message":"etcdserver: mvcc: required revision has been compacted","http_status":"Bad Request"}}""");
        Assert.Equal(81, (await fixture.Next()).StartRevision);
    }

    [Theory]
    [InlineData("""{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}""")]
    [InlineData("""{"error":{"code":14,"message":"etcdserver: no leader","details":[]}}""")]
    [InlineData("""{"code":14,"message":"etcdserver: no leader","details":[]}""")]
    [InlineData("""{"result":{"header":{"revision":"44"},"watch_id":"1","events":[]},"error":{"grpc_code":14,"message":"etcdserver: no leader"}}""")]
    public async Task An_error_line_ends_the_stream_and_the_next_one_resumes(string line)
    {
        await using var fixture = await Fixture.StartAsync();
        await fixture.Watch.Send(line);
        Assert.Equal(41, (await fixture.Next()).StartRevision);
        Assert.Single(fixture.World.Fake.Requests(Range));
        Assert.Contains(fixture.World.Log.Lines, entry => entry.Id == 7030 && entry.Text.Contains("no leader", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_error_line_needs_no_line_end()
    {
        await using var fixture = await Fixture.StartAsync();
        await fixture.Watch.Raw("""{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}""");
        fixture.Watch.End();
        await fixture.Next();
        Assert.Contains(fixture.World.Log.Lines, entry => entry.Id == 7030 && entry.Text.Contains("no leader", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Half_a_line_at_the_end_changes_nothing_and_comes_again()
    {
        await using var fixture = await Fixture.StartAsync();
        var line = Json.Events(41, Json.Put("/a/1", "x", 41, 41));
        await fixture.Watch.Raw(line[..(line.Length / 2)]);
        fixture.Watch.End();
        var next = await fixture.Next();
        Assert.Equal(41, next.StartRevision);
        Assert.Empty(fixture.Mirror.Current.Entries);
        Assert.Single(fixture.World.Fake.Requests(Range));
        await next.Send(line);
        await fixture.Until(41);
        Assert.Single(fixture.Mirror.Current.Entries);
    }

    [Fact]
    public async Task A_line_is_the_same_wherever_the_network_cuts_it()
    {
        await using var fixture = await Fixture.StartAsync();
        foreach (var one in Json.Events(41, Json.Put("/a/1", "x", 41, 41)) + "\n\n" + Json.Events(42, Json.Put("/a/2", "y", 42, 42)) + "\n")
            await fixture.Watch.Raw(one.ToString());
        await fixture.Until(42);
        Assert.Equal(2, fixture.Mirror.Current.Entries.Count);
        Assert.Equal(1, fixture.World.Fake.WatchCount);
    }

    [Theory]
    [InlineData("{\"result\":{\"watch_id\":\"1\"")]
    [InlineData("no JSON")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"result":{"watch_id":"1","events":[{"type":"MERGE","kv":{}}]}}""")]
    [InlineData("""{"result":{"watch_id":"1","events":[{"kv":{"key":"L2Ev"}}]}}""")]
    [InlineData("""{"result":{"watch_id":"1","events":[7]}}""")]
    [InlineData("""{"result":{"watch_id":"one"}}""")]
    public async Task A_line_that_is_none_is_answered_by_a_list(string line)
    {
        await using var fixture = await Fixture.StartAsync();
        fixture.World.Fake.Script(Range, FakeReply.List(50, ("/a/9", "z", 50, 50)));
        await fixture.Watch.Send(line);
        Assert.Equal(51, (await fixture.Next()).StartRevision);
        Assert.Equal(["/a/9"], fixture.Mirror.Current.Entries.Keys);
    }

    [Fact]
    public async Task A_line_above_the_limit_is_not_kept()
    {
        await using var fixture = await Fixture.StartAsync(change: options => options.MaxReplyBytes = 4096);
        // Written until the client closes the stream: an endless line.
        var endless = Task.Run(async () =>
        {
            try
            {
                while (!fixture.Watch.Closed.IsCompleted)
                    await fixture.Watch.Raw(new string('x', 1000));
            }
            catch (Exception)
            {
                // The client has gone, as it should.
            }
        });
        await fixture.Next();
        await Waiting.For(endless, "the end of the endless line");
        Assert.Contains(fixture.World.Log.Lines, entry => entry.Id == 7030 && entry.Text.Contains("MaxReplyBytes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_watch_without_permission_is_told_and_tried_again()
    {
        await using var fixture = await Fixture.StartAsync();
        fixture.World.Fake.AnswersWatches = false;
        fixture.Watch.Cut();
        var second = await fixture.Next();
        await second.Send(Json.Refused("code = PermissionDenied desc = etcdserver: permission denied"));
        fixture.World.Fake.AnswersWatches = true;
        var third = await fixture.Next(3);
        await third.Send(Json.Events(41, Json.Put("/a/1", "x", 41, 41)));
        await fixture.Until(41);
        Assert.Contains(fixture.World.Log.Lines, entry => entry.Id == 7030 && entry.Text.Contains("permission denied", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_watch_whose_token_is_not_accepted_fetches_a_new_one()
    {
        await using var world = await World.StartAsync(options => (options.User, options.Password) = ("node", "secret"));
        world.Fake.Script("/v3/auth/authenticate", FakeReply.Token("t.1"), FakeReply.Token("t.2"));
        world.Fake.AnswersWatches = false;
        await using var mirror = world.Client.Mirror("/a/");
        var first = await world.Fake.Watch(1);
        Assert.Equal("t.1", first.Request.Authorization);
        await first.Send(Json.Refused("code = Unauthenticated desc = etcdserver: invalid auth token"));
        var second = await world.Advance(world.Fake.Watch(2));
        Assert.Equal("t.2", second.Request.Authorization);
    }

    [Fact]
    public async Task A_watch_refused_with_401_fetches_a_new_token()
    {
        await using var world = await World.StartAsync(options => (options.User, options.Password) = ("node", "secret"));
        world.Fake.Script("/v3/auth/authenticate", FakeReply.Token("t.1"), FakeReply.Token("t.2"));
        world.Fake.Script("/v3/watch", FakeReply.BadToken);
        await using var mirror = world.Client.Mirror("/a/");
        await world.Advance(world.Fake.Request("/v3/watch", 2));
        Assert.Equal(["t.1", "t.2"], world.Fake.Requests("/v3/watch").Take(2).Select(request => request.Authorization));
    }

    [Fact]
    public async Task Lists_and_events_older_than_the_copy_are_left_out()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        await fixture.Watch.Send(Json.Events(50, Json.Put("/a/2", "y", 50, 50)));
        await fixture.Until(50);
        var stale = fixture.Count("push_cluster_watch_stale");
        // A lagging member answers the list, and a lagging stream brings an old event again.
        fixture.World.Fake.Script(Range, FakeReply.List(45));
        await fixture.Mirror.RefreshAsync(Never);
        await fixture.Watch.Send(Json.Events(50, Json.Delete("/a/1", 44), Json.Put("/a/2", "old", 46, 46)), Json.Events(51, Json.Put("/a/3", "z", 51, 51)));
        await fixture.Until(51);
        Assert.Equal(3, fixture.Mirror.Current.Entries.Count);
        Assert.Equal("y", Entry(fixture.Mirror, "/a/2").Value);
        Assert.Equal(2, stale());
    }

    [Fact]
    public async Task An_etcd_that_lost_what_it_had_confirmed_is_told_and_not_followed()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        fixture.World.Fake.Script(Range, FakeReply.List(3));
        await fixture.Mirror.RefreshAsync(Never);
        await fixture.Mirror.RefreshAsync(Never);
        Assert.Equal(40, fixture.Mirror.Current.Revision);
        Assert.Single(fixture.Mirror.Current.Entries);
        Assert.Equal(1, fixture.World.Log.Count(7035));
    }

    [Fact]
    public async Task A_list_now_and_then_heals_what_the_watch_never_brought()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9), change: options => options.ListInterval = TimeSpan.FromMinutes(5));
        fixture.World.Fake.Script(Range, FakeReply.List(60, ("/a/2", "y", 60, 60)));
        var next = await fixture.World.Advance(fixture.World.Fake.Watch(2), TimeSpan.FromSeconds(5));
        Assert.Equal(61, next.StartRevision);
        Assert.Equal(["/a/2"], fixture.Mirror.Current.Entries.Keys);
        Assert.Equal("", fixture.World.Fake.Requests(Range)[1]["serializable"]);
    }

    [Fact]
    public async Task A_list_that_agrees_with_the_copy_changes_nothing_but_the_revision()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        var before = fixture.Mirror.Current;
        fixture.World.Fake.Script(Range, FakeReply.List(70, ("/a/1", "x", 7, 9)));
        await fixture.Mirror.RefreshAsync(Never);
        Assert.Equal(70, fixture.Mirror.Current.Revision);
        Assert.Same(before.Entries, fixture.Mirror.Current.Entries);
        Assert.DoesNotContain(fixture.Changes, change => change.After.Revision == 70);
    }

    [Fact]
    public async Task A_silent_watch_is_replaced_on_another_endpoint()
    {
        await using var world = await World.StartAsync(options => options.HeartbeatInterval = TimeSpan.FromSeconds(3), fakes: 2);
        foreach (var fake in world.Fakes)
            fake.Script(Range, FakeReply.List(40));
        await using var mirror = world.Client.Mirror("/a/");
        var (silent, other) = await Opened(world);
        await (await silent.Watch(1)).Send(Json.Events(41, Json.Put("/a/1", "x", 41, 41)));
        await Waiting.Until(() => mirror.Current.Revision == 41, "the event before the silence");
        var next = await world.Advance(other.Watch(1), TimeSpan.FromMilliseconds(100));
        Assert.Equal(42, next.StartRevision);
        Assert.Contains(world.Log.Lines, entry => entry.Id == 7030 && entry.Text.Contains("silent", StringComparison.Ordinal));
        await Waiting.For((await silent.Watch(1)).Closed, "the end of the silent stream");
    }

    [Fact]
    public async Task Heartbeats_keep_a_watch_without_events()
    {
        await using var world = await World.StartAsync(options => options.HeartbeatInterval = TimeSpan.FromSeconds(3));
        world.Fake.Script(Range, FakeReply.List(40));
        await using var mirror = world.Client.Mirror("/a/");
        var watch = await world.Fake.Watch(1);
        // Each round, somebody's heartbeat comes a second before the silence would be noticed; the client's own event proves that it was read.
        for (var i = 0; i < 5; i++)
        {
            world.Clock.Advance(TimeSpan.FromSeconds(8));
            await watch.Send(Json.Beat(50 + (2 * i)), Json.Events(51 + (2 * i), Json.Put("/a/1", "x", 41, 51 + (2 * i))));
            await Waiting.Until(() => mirror.Current.Revision == 51 + (2 * i), "the event of the round");
        }
        Assert.Equal(1, world.Fake.WatchCount);
    }

    [Fact]
    public async Task A_watch_that_is_not_answered_is_replaced_after_the_attempt_timeout()
    {
        await using var world = await World.StartAsync(options => options.AttemptTimeout = TimeSpan.FromSeconds(2));
        world.Fake.AnswersWatches = false;
        await using var mirror = world.Client.Mirror("/a/");
        await world.Fake.Watch(1);
        await world.Advance(world.Fake.Watch(2), TimeSpan.FromMilliseconds(20));
        Assert.Contains(world.Log.Lines, entry => entry.Id == 7030 && entry.Text.Contains("silent", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_heartbeat_is_written_by_whoever_has_not_seen_one()
    {
        await using var world = await World.StartAsync(options => options.HeartbeatInterval = TimeSpan.FromSeconds(3));
        await using var mirror = world.Client.Mirror("/a/");
        await world.Fake.Watch(1);
        var write = await world.Advance(world.Fake.Request("/v3/kv/txn", 1), TimeSpan.FromMilliseconds(100));
        Assert.Contains(Json.Base64("/push/heartbeat"), write.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_heartbeat_that_may_not_be_written_makes_no_healthy_watch_look_silent()
    {
        await using var world = await World.StartAsync(options => options.HeartbeatInterval = TimeSpan.FromSeconds(3));
        world.Fake.Script("/v3/kv/txn", FakeReply.Error(403, 7, "etcdserver: permission denied"));
        await using var mirror = world.Client.Mirror("/a/");
        await world.Fake.Watch(1);
        await world.Advance(world.Fake.Request("/v3/kv/txn", 1), TimeSpan.FromMilliseconds(20));
        await Waiting.Until(() => world.Log.Count(7033) > 0, "the refusal");
        for (var i = 0; i < 20; i++)
            world.Clock.Advance(TimeSpan.FromSeconds(3));
        await world.Advance(world.Fake.Request("/v3/kv/txn", 3), TimeSpan.FromMilliseconds(100));
        Assert.Equal(1, world.Fake.WatchCount);
        Assert.Equal(1, world.Log.Count(7033));
    }

    [Fact]
    public async Task A_heartbeat_that_may_not_be_watched_does_not_end_the_watch()
    {
        await using var world = await World.StartAsync(options => options.HeartbeatInterval = TimeSpan.FromSeconds(3));
        world.Fake.AnswersWatches = false;
        world.Fake.Script(Range, FakeReply.List(40));
        await using var mirror = world.Client.Mirror("/a/");
        var watch = await world.Fake.Watch(1);
        await watch.Send(Json.Created(1), Json.Refused("code = PermissionDenied desc = etcdserver: permission denied"), Json.Events(41, Json.Put("/a/1", "x", 41, 41)));
        await Waiting.Until(() => mirror.Current.Revision == 41, "the event");
        for (var i = 0; i < 20; i++)
            world.Clock.Advance(TimeSpan.FromSeconds(3));
        await watch.Send(Json.Events(42, Json.Put("/a/1", "y", 41, 42)));
        await Waiting.Until(() => mirror.Current.Revision == 42, "the event behind the silence");
        Assert.Equal(1, world.Fake.WatchCount);
    }

    [Fact]
    public async Task A_handler_that_throws_is_logged_and_stops_nobody()
    {
        await using var fixture = await Fixture.StartAsync();
        List<long> told = [];
        fixture.Mirror.Changed += (_, _) => throw new InvalidOperationException("bad handler");
        fixture.Mirror.Changed += (_, after) => told.Add(after.Revision);
        await fixture.Watch.Send(Json.Events(41, Json.Put("/a/1", "x", 41, 41)), Json.Events(42, Json.Put("/a/1", "y", 41, 42)));
        await fixture.Until(42);
        await fixture.Mirror.RefreshAsync(Never);
        Assert.Equal([41, 42], told);
        Assert.Equal(2, fixture.World.Log.Count(7032));
    }

    [Fact]
    public async Task Those_who_ask_for_a_list_meanwhile_share_the_next_one()
    {
        await using var fixture = await Fixture.StartAsync();
        var answer = new TaskCompletionSource<FakeReply>();
        fixture.World.Fake.Script(Range, _ => answer.Task);
        var first = fixture.Mirror.RefreshAsync(Never).AsTask();
        await fixture.World.Fake.Request(Range, 2);
        var others = Enumerable.Range(0, 20).Select(_ => fixture.Mirror.RefreshAsync(Never).AsTask()).ToArray();
        answer.SetResult(FakeReply.List(60));
        await Waiting.For(first, "the first list");
        await Waiting.For(Task.WhenAll(others), "the shared list");
        Assert.Equal(3, fixture.World.Fake.Requests(Range).Count);
    }

    [Fact]
    public async Task A_refresh_without_etcd_fails_and_leaves_the_copy()
    {
        await using var fixture = await Fixture.StartAsync(("/a/1", "x", 7, 9));
        fixture.World.Fake.Script(Range, FakeReply.Cut);
        await Assert.ThrowsAsync<EtcdException>(async () => await fixture.Mirror.RefreshAsync(Never));
        Assert.Single(fixture.Mirror.Current.Entries);
        fixture.World.Fake.Script(Range, FakeReply.List(60));
        await fixture.Mirror.RefreshAsync(Never);
        Assert.Empty(fixture.Mirror.Current.Entries);
    }

    [Fact]
    public async Task A_mirror_waits_for_an_etcd_that_is_away_at_the_start()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script(Range, FakeReply.Cut, FakeReply.Error(503, 14, "etcdserver: no leader"), FakeReply.List(40, ("/a/1", "x", 7, 9)));
        await using var mirror = world.Client.Mirror("/a/");
        Assert.Equal(EtcdSnapshot.Empty.Revision, mirror.Current.Revision);
        await world.Advance(mirror.Ready);
        Assert.Single(mirror.Current.Entries);
    }

    [Fact]
    public async Task Disposing_ends_the_stream()
    {
        var fixture = await Fixture.StartAsync();
        await fixture.Mirror.DisposeAsync();
        await Waiting.For(fixture.Watch.Closed, "the end of the stream");
        await fixture.World.DisposeAsync();
    }

    private static async Task<(FakeEtcd First, FakeEtcd Other)> Opened(World world)
    {
        await Waiting.Until(() => world.Fakes.Any(fake => fake.WatchCount > 0), "the first watch");
        var first = world.Fakes.First(fake => fake.WatchCount > 0);
        return (first, world.Fakes.First(fake => fake != first));
    }

    private static (string Value, long Created, long Changed) Entry(IEtcdMirror mirror, string key)
    {
        var entry = mirror.Current.Entries[key];
        return (Encoding.UTF8.GetString(entry.Value.Span), entry.CreateRevision, entry.ModRevision);
    }

    /// <summary>A mirror of "/a/" whose first list, at revision 40, was taken and whose watch is open.</summary>
    private sealed class Fixture(World world, IEtcdMirror mirror, FakeWatch watch) : IAsyncDisposable
    {
        public World World => world;
        public IEtcdMirror Mirror => mirror;
        public FakeWatch Watch => watch;
        public List<(EtcdSnapshot Before, EtcdSnapshot After)> Changes { get; } = [];

        public static async Task<Fixture> StartAsync(params (string Key, string Value, long Created, long Changed)[] entries) => await StartAsync(entries, null);

        public static async Task<Fixture> StartAsync((string Key, string Value, long Created, long Changed) entry, Action<EtcdOptions> change) => await StartAsync([entry], change);

        public static async Task<Fixture> StartAsync(Action<EtcdOptions> change) => await StartAsync([], change);

        public async Task Until(long revision) => await Waiting.Until(() => mirror.Current.Revision >= revision, $"the mirror at revision {revision}");

        public Task<FakeWatch> Next(int count = 2) => world.Advance(world.Fake.Watch(count));

        /// <summary>Counts an instrument from now on.</summary>
        public Func<long> Count(string name)
        {
            long count = 0;
            var listener = new System.Diagnostics.Metrics.MeterListener
            {
                InstrumentPublished = (instrument, own) =>
                {
                    if (instrument.Meter == world.Client.Metrics.Meter && instrument.Name == name)
                        own.EnableMeasurementEvents(instrument);
                },
            };
            listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref count, value));
            listener.Start();
            return () => Interlocked.Read(ref count);
        }

        public async ValueTask DisposeAsync()
        {
            await mirror.DisposeAsync();
            await world.DisposeAsync();
        }

        private static async Task<Fixture> StartAsync((string Key, string Value, long Created, long Changed)[] entries, Action<EtcdOptions>? change)
        {
            var world = await World.StartAsync(change);
            world.Fake.Script(Range, FakeReply.List(40, entries));
            var mirror = world.Client.Mirror("/a/");
            await Waiting.For(mirror.Ready, "the first list");
            var fixture = new Fixture(world, mirror, await world.Fake.Watch(1));
            mirror.Changed += (before, after) =>
            {
                lock (fixture.Changes)
                    fixture.Changes.Add((before, after));
            };
            return fixture;
        }
    }
}
