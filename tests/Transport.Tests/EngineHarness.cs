using System.Net;
using System.Net.Sockets;
using PushSystem.TestSupport;
using PushSystem.Transport.Memory;
using PushSystem.Transport.Shards;
using PushSystem.Transport.Sockets;

namespace PushSystem.Transport.Tests;

/// <summary>An engine under test with its handlers, clock and log. Disposal demands that nothing is left rented and no error was logged.</summary>
internal abstract class EngineHarness : IAsyncDisposable
{
    private readonly List<RecordingHandler> _handlers = [];
    private readonly List<IPeer> _peers = [];

    public abstract ITransportEngine Engine { get; }

    public FakeClock Clock { get; } = new();

    public RecordingLoggers Loggers { get; } = new();

    public TransportOptions Options { get; } = new() { EndPoints = [new IPEndPoint(IPAddress.Loopback, 0)], Shards = 1 };

    public IReadOnlyList<RecordingHandler> Handlers => _handlers;

    public RecordingHandler Handler => _handlers[0];

    public ITransportShard Shard => Engine.Shards[0];

    public abstract EngineCore Core { get; }

    /// <summary>Senders that wait for a peer, where the engine has such.</summary>
    public virtual int RentedSenders => 0;

    /// <summary>Set by tests that provoke faults.</summary>
    public bool ExpectsErrors { get; set; }

    public int RentedBatches => Core.Shards.Sum(static shard => shard.RentedBatches);

    public async Task StartAsync(Action<RecordingHandler>? setUp = null) =>
        await Engine.StartAsync(
            shard =>
            {
                var handler = new RecordingHandler(shard);
                setUp?.Invoke(handler);
                _handlers.Add(handler);
                return handler;
            },
            CancellationToken.None);

    public async Task<IPeer> ConnectAsync()
    {
        var peer = await OpenAsync();
        _peers.Add(peer);
        return peer;
    }

    /// <summary>Connects and gives the connection's reference too. One at a time.</summary>
    public async Task<(IPeer Peer, ConnectionRef Connection)> ConnectAndFindAsync()
    {
        var before = Handler.AcceptedConnections.Length;
        var peer = await ConnectAsync();
        await Until(() => Handler.AcceptedConnections.Length > before, "accept");
        return (peer, Handler.AcceptedConnections[before]);
    }

    /// <summary>Runs an action on the shard's turn and waits for its end.</summary>
    public async Task OnTurn(Action<ITransportShard> action, ITransportShard? shard = null) => await OnTurn(
        one =>
        {
            action(one);
            return true;
        },
        shard);

    /// <inheritdoc cref="OnTurn(Action{ITransportShard},ITransportShard?)"/>
    public async Task<T> OnTurn<T>(Func<ITransportShard, T> function, ITransportShard? shard = null)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        shard ??= Shard;
        Assert.True(shard.Post(
            _ =>
            {
                try
                {
                    done.SetResult(function(shard));
                }
                catch (Exception exception)
                {
                    done.SetException(exception);
                }
            },
            0));
        return await For(done.Task, "turn");
    }

    /// <summary>Moves the clock and waits until every shard has worked off the ticks.</summary>
    public async Task Advance(TimeSpan by)
    {
        Clock.Advance(by);
        foreach (var shard in Engine.Shards)
            await OnTurn(static _ => { }, shard);
    }

    public virtual async Task<T> For<T>(Task<T> task, string phase) => await Waiting.For(task, phase);

    public virtual async Task Until(Func<bool> condition, string phase) => await Waiting.Until(condition, phase);

    /// <summary>Whatever waits has left or been given back.</summary>
    public Task UntilNothingIsRented() => Until(
        () => Core.RentedQueues == 0 && RentedBatches == 0 && RentedSenders == 0 && Core.QueuedOutput == 0, "nothing rented");

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        foreach (var peer in _peers)
            peer.Dispose();
        Assert.Equal(0, Core.RentedQueues);
        Assert.Equal(0, RentedBatches);
        Assert.Equal(0, RentedSenders);
        Assert.Equal(0, Core.QueuedOutput);
        Assert.Equal(0, Core.Connections);
        foreach (var shard in Engine.Shards)
            Assert.Equal(0, shard.ConnectionCount);
        foreach (var handler in _handlers)
        {
            Assert.Empty(handler.Violations);
            Assert.Equal(handler.AcceptedConnections.Length, handler.ClosedConnections.Length);
        }
        if (!ExpectsErrors)
            Assert.Empty(Loggers.Errors);
    }

    protected abstract Task<IPeer> OpenAsync();
}

/// <summary>The far end of a connection.</summary>
internal interface IPeer : IDisposable
{
    Task SendAsync(ReadOnlyMemory<byte> bytes);

    Task<byte[]> ReadAsync(int count);

    /// <summary>Reads and forgets until the engine's end of the connection shows. Gives the number of bytes.</summary>
    Task<long> ReadToEndAsync();

    void StopReading();

    void ContinueReading();

    void Close();

    void Reset();
}

internal sealed class SocketHarness : EngineHarness
{
    private SocketEngine? _engine;

    public override ITransportEngine Engine => Sockets;

    public override EngineCore Core => Sockets.Core;

    public override int RentedSenders => Sockets.RentedSenders;

    private SocketEngine Sockets => _engine ??= new SocketEngine(Options, Loggers, Clock);

    protected override async Task<IPeer> OpenAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            // Small, so that output backs up at the engine early.
            ReceiveBufferSize = 16 * 1024,
        };
        await socket.ConnectAsync(Engine.EndPoints[0]);
        return new SocketPeer(socket);
    }
}

internal sealed class SocketPeer(Socket socket) : IPeer
{
    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await socket.SendAsync(bytes)..];
    }

    public async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        for (var filled = 0; filled < count;)
        {
            var read = await socket.ReceiveAsync(bytes.AsMemory(filled));
            if (read == 0)
                throw new EndOfStreamException($"The connection ended after {filled} of {count} bytes");
            filled += read;
        }
        return bytes;
    }

    public async Task<long> ReadToEndAsync()
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        while (await socket.ReceiveAsync(buffer) is var read && read > 0)
            total += read;
        return total;
    }

    // A socket whose owner does not receive does not read.
    public void StopReading()
    {
    }

    public void ContinueReading()
    {
    }

    public void Close()
    {
        socket.Shutdown(SocketShutdown.Send);
    }

    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();
}

internal sealed class MemoryHarness(MemoryTurns turns) : EngineHarness
{
    private MemoryEngine? _engine;

    public override ITransportEngine Engine => Memory;

    public override EngineCore Core => Memory.Core;

    private MemoryEngine Memory => _engine ??= new MemoryEngine(Options, Loggers, Clock, turns);

    public override async Task<T> For<T>(Task<T> task, string phase)
    {
        await Until(() => task.IsCompleted, phase);
        return await task;
    }

    public override async Task Until(Func<bool> condition, string phase) => await Waiting.Until(
        () =>
        {
            Memory.RunUntilIdle();
            return condition();
        },
        phase);

    protected override Task<IPeer> OpenAsync() => Task.FromResult<IPeer>(new MemoryPeer(Memory.Connect()));
}

internal sealed class MemoryPeer(MemoryClient client) : IPeer
{
    public Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        client.Send(bytes.Span);
        return Task.CompletedTask;
    }

    public Task<byte[]> ReadAsync(int count) => client.ReadExactlyAsync(count);

    public async Task<long> ReadToEndAsync()
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        while (await client.ReadAsync(buffer) is var read && read > 0)
            total += read;
        return total;
    }

    public void StopReading() => client.StopReading(64 * 1024);

    public void ContinueReading() => client.ContinueReading();

    public void Close() => client.Close();

    public void Reset() => client.Reset();

    public void Dispose() => client.Close();
}
