using System.Net;
using PushSystem.TestSupport;
using PushSystem.Transport.Shards;

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
