using StackExchange.Redis;

namespace PushSystem.Redis;

/// <summary>
/// The library's connections to all servers, as one thing that can be thrown away: owns the multiplexer and what is under way on it.
/// Any thread. Owned and disposed by <see cref="RedisLink"/>.
/// </summary>
internal sealed class RedisConnection : IAsyncDisposable
{
    private readonly ConnectionMultiplexer _multiplexer;
    private readonly Action<RedisConnection, string> _changed;
    private int _silent;

    private RedisConnection(ConnectionMultiplexer multiplexer, RedisOptions options, Action<RedisConnection, string> changed)
    {
        _multiplexer = multiplexer;
        _changed = changed;
        Database = multiplexer.GetDatabase();
        InFlight = new InFlight(options.MaxInFlight, options.MaxInFlightBytes);
        _multiplexer.ConnectionFailed += OnFailed;
        _multiplexer.ConnectionRestored += OnRestored;
        _multiplexer.ConfigurationChanged += OnConfiguration;
        _multiplexer.HashSlotMoved += OnMoved;
    }

    public IDatabase Database { get; }

    public InFlight InFlight { get; }

    /// <summary>Given up: nothing more is sent.</summary>
    public bool IsSilent => Volatile.Read(ref _silent) != 0;

    /// <summary>Connects; comes back unconnected after the connect timeout, and then goes on trying by itself.</summary>
    /// <param name="options">Checked before.</param>
    /// <param name="changed">Told of "failed", "restored" and "moved"; must not wait.</param>
    public static async Task<RedisConnection> OpenAsync(RedisOptions options, Action<RedisConnection, string> changed) =>
        new(await ConnectionMultiplexer.ConnectAsync(options.ToConfiguration()), options, changed);

    /// <summary>Whether there is a server to send a call with this key to.</summary>
    public bool IsConnected(RedisKey key) => !IsSilent && Database.IsConnected(key, CommandFlags.DemandMaster);

    /// <summary>The key's slot in a cluster; a negative number with a single server.</summary>
    public int SlotOf(RedisKey key) => _multiplexer.HashSlot(key);

    public void GiveUp() => Volatile.Write(ref _silent, 1);

    /// <summary>Asks all servers anew who is master of what.</summary>
    public Task RefreshAsync() => _multiplexer.ConfigureAsync();

    public async ValueTask DisposeAsync()
    {
        GiveUp();
        _multiplexer.ConnectionFailed -= OnFailed;
        _multiplexer.ConnectionRestored -= OnRestored;
        _multiplexer.ConfigurationChanged -= OnConfiguration;
        _multiplexer.HashSlotMoved -= OnMoved;
        // Away from the caller's thread: closing takes the library's locks, which a blocked write may hold.
        await Task.Run(() => _multiplexer.CloseAsync(allowCommandsToComplete: false));
    }

    private void OnFailed(object? sender, ConnectionFailedEventArgs e) => _changed(this, "failed");

    private void OnRestored(object? sender, ConnectionFailedEventArgs e) => _changed(this, "restored");

    private void OnConfiguration(object? sender, EndPointEventArgs e) => _changed(this, "moved");

    private void OnMoved(object? sender, HashSlotMovedEventArgs e) => _changed(this, "moved");
}
