using PushSystem.TestSupport;
using PushSystem.Transport.Memory;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Tests;

public sealed class ShardQueueTests
{
    [Fact]
    public void Items_are_taken_in_the_order_they_were_pushed()
    {
        var queue = new ShardQueue();
        var items = Enumerable.Range(0, 10).Select(static number => new Item(number)).ToArray();
        for (var number = 0; number < 4; number++)
            Assert.True(queue.TryPush(items[number]));
        Assert.Equal(0, Take(queue));
        for (var number = 4; number < 10; number++)
            Assert.True(queue.TryPush(items[number]));
        for (var number = 1; number < 10; number++)
            Assert.Equal(number, Take(queue));
        Assert.Null(queue.Take());
        Assert.True(queue.IsEmpty);
    }

    [Fact]
    public void Seal_refuses_later_items_and_keeps_earlier_ones()
    {
        var queue = new ShardQueue();
        queue.TryPush(new Item(1));
        queue.TryPush(new Item(2));
        Assert.Equal(1, Take(queue));
        queue.TryPush(new Item(3));
        queue.TryPush(new Item(4));
        queue.Seal();
        queue.Seal();
        Assert.False(queue.TryPush(new Item(5)));
        Assert.False(queue.IsEmpty);
        Assert.Equal(2, Take(queue));
        Assert.Equal(3, Take(queue));
        Assert.Equal(4, Take(queue));
        Assert.Null(queue.Take());
        Assert.True(queue.IsEmpty);
    }

    [Fact]
    public async Task Every_item_pushed_by_several_threads_is_taken_once_or_refused()
    {
        const int Threads = 4;
        const int PerThread = 50_000;
        var queue = new ShardQueue();
        var refused = 0;
        var pushing = Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            for (var number = 0; number < PerThread; number++)
            {
                if (!queue.TryPush(new Item(thread * PerThread + number)))
                    Interlocked.Increment(ref refused);
            }
        })).ToArray();
        var next = new int[Threads];
        var taken = 0;
        while (taken < Threads * PerThread / 2)
            TakeOne();
        queue.Seal();
        await Waiting.For(Task.WhenAll(pushing), "pushing");
        while (!queue.IsEmpty)
            TakeOne();
        Assert.Equal(Threads * PerThread, taken + refused);

        void TakeOne()
        {
            if (queue.Take() is not Item item)
                return;
            taken++;
            var thread = item.Number / PerThread;
            Assert.True(item.Number % PerThread >= next[thread], "a thread's order was changed");
            next[thread] = item.Number % PerThread + 1;
        }
    }

    [Fact]
    public async Task Posting_allocates_nothing_in_the_long_run()
    {
        using var loggers = new RecordingLoggers();
        await using var engine = new MemoryEngine(new TransportOptions { Shards = 1 }, loggers, new FakeClock());
        await engine.StartAsync(static shard => new RecordingHandler(shard), CancellationToken.None);
        var shard = engine.Shards[0];
        long sum = 0;
        var add = new Action<OwnState>(state => sum += state.Number);
        PostMany();
        var before = GC.GetAllocatedBytesForCurrentThread();
        PostMany();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(2 * 499_500, sum);

        void PostMany()
        {
            for (var number = 0; number < 1_000; number++)
            {
                shard.Post(add, new OwnState(number));
                if (number % 100 == 99)
                    engine.RunUntilIdle();
            }
            engine.RunUntilIdle();
        }

    }

    private static int Take(ShardQueue queue) => Assert.IsType<Item>(queue.Take()).Number;

    // Items are pooled per state type: a type of its own keeps tests that run at the same time away from this pool.
    private readonly record struct OwnState(int Number);

    private sealed class Item(int number) : IWorkItem
    {
        public int Number => number;

        public IWorkItem? Next { get; set; }

        public void Run(Shard shard) => throw new InvalidOperationException("These items are only queued.");
    }
}
