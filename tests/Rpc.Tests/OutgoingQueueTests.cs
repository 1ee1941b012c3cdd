using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>How frames leave: at once when alone, together when there are many.</summary>
public sealed class OutgoingQueueTests
{
    private readonly GatedWire _wire = new();
    private Exception? _failure;

    private OutgoingQueue Queue(long maxBytes = 1_000_000) => new(_wire, maxBytes, e => _failure = e, static _ => { });

    private static byte[] Bytes(int count, byte value) => [.. Enumerable.Repeat(value, count)];

    [Fact]
    public void A_frame_that_is_alone_leaves_at_once()
    {
        var queue = Queue();
        long end = 0;
        Assert.Equal(Queued.Ok, queue.Append(Bytes(10, 1), ref end, alone: true));
        Assert.Equal([10], _wire.Sizes);
        Assert.Equal((10, 10, 0), (end, queue.HandedOver, queue.QueuedBytes));
    }

    [Fact]
    public async Task Frames_that_come_during_a_send_leave_together_in_the_next()
    {
        _wire.Close();
        var queue = Queue();
        long end = 0;
        for (var i = 0; i < 100; i++)
            Assert.Equal(Queued.Ok, queue.Append(Bytes(10, (byte)i), ref end, alone: true));
        Assert.Equal([10], _wire.Sizes);
        Assert.Equal((1_000, 10, 1_000), (end, queue.HandedOver, queue.QueuedBytes));
        _wire.Open();
        await Waiting.For(queue.WhenEmpty(), "the queue is empty");
        Assert.Equal([10, 990], _wire.Sizes);
        Assert.Equal(Enumerable.Range(0, 100).SelectMany(i => Bytes(10, (byte)i)), _wire.All);
    }

    [Fact]
    public async Task Frames_that_are_not_alone_leave_soon_in_their_order()
    {
        var queue = Queue();
        long end = 0;
        for (var i = 0; i < 2_000; i++)
            queue.Append(Bytes(20, (byte)i), ref end, alone: false);
        await Waiting.Until(() => queue.QueuedBytes == 0, "everything has left");
        Assert.Equal(Enumerable.Range(0, 2_000).SelectMany(i => Bytes(20, (byte)i)), _wire.All);
    }

    [Fact]
    public async Task A_batch_leaves_in_one_send_when_the_pump_is_done()
    {
        var queue = Queue();
        var pump = new CallPump(Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        long end = 0;
        for (var i = 0; i < 50; i++)
            queue.Append(Bytes(10, (byte)i), ref end, alone: true, pump);
        Assert.Empty(_wire.Sizes);
        pump.Work();
        await Waiting.For(queue.WhenEmpty(), "the queue is empty");
        Assert.Equal([500], _wire.Sizes);
    }

    [Fact]
    public async Task Large_frames_keep_their_bytes_and_their_order()
    {
        var queue = Queue(10_000_000);
        var expected = new List<byte>();
        long end = 0;
        foreach (var size in new[] { 10, 40_000, 100, OutgoingQueue.SegmentBytes, 1, 500_000, 20 })
        {
            var frame = new byte[size];
            Random.Shared.NextBytes(frame);
            expected.AddRange(frame);
            queue.Append(frame, ref end, alone: false);
        }
        await Waiting.Until(() => queue.QueuedBytes == 0, "everything has left");
        Assert.Equal(expected, _wire.All);
    }

    [Fact]
    public void It_takes_no_more_than_it_may()
    {
        _wire.Close();
        var queue = Queue(100);
        long end = 0;
        Assert.Equal(Queued.Ok, queue.Append(Bytes(60, 1), ref end, alone: true));
        Assert.Equal(Queued.Full, queue.Append(Bytes(60, 2), ref end, alone: true));
        Assert.Equal(60, end);
        Assert.Equal(Queued.Ok, queue.Append(Bytes(40, 3), ref end, alone: true));
        Assert.Equal(100, queue.QueuedBytes);
    }

    [Fact]
    public async Task After_its_end_nothing_is_taken_and_nothing_more_is_handed_over()
    {
        _wire.Close();
        var queue = Queue();
        long end = 0, second = 0;
        queue.Append(Bytes(10, 1), ref end, alone: true);
        queue.Append(Bytes(10, 2), ref second, alone: true);
        queue.Close();
        Assert.Equal(Queued.Closed, queue.Append(Bytes(10, 3), ref end, alone: true));
        _wire.Open();
        await Waiting.For(queue.WhenEmpty(), "the end");
        Assert.Equal([10], _wire.Sizes);
        Assert.True(second > queue.HandedOver);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_send_that_fails_is_told(bool later)
    {
        if (later)
            _wire.Close();
        var queue = Queue();
        long end = 0;
        _wire.Failure = new IOException("cut");
        queue.Append(Bytes(10, 1), ref end, alone: true);
        _wire.Open();
        await Waiting.Until(() => Volatile.Read(ref _failure) is not null, "the failure");
        Assert.Equal("cut", _failure!.Message);
    }

    /// <summary>Keeps what is sent; while it is closed, sends wait.</summary>
    private sealed class GatedWire : IWire
    {
        private TaskCompletionSource _gate = Opened();

        public List<int> Sizes { get; } = [];

        public List<byte> All { get; } = [];

        public Exception? Failure { get; set; }

        public ReadOnlyMemory<byte> ChannelBinding => default;

        public void Close() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Open() => _gate.TrySetResult();

        public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Sizes.Add(bytes.Length);
            All.AddRange(bytes.ToArray());
            await _gate.Task;
            if (Failure is not null)
                throw Failure;
        }

        public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

        public void Abort()
        {
        }

        private static TaskCompletionSource Opened()
        {
            var gate = new TaskCompletionSource();
            gate.SetResult();
            return gate;
        }
    }
}
