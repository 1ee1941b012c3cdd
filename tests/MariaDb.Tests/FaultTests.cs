using System.Data;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.MariaDb.Tests;

/// <summary>Each test has a server that it may kill. Upper bounds of times are far above what is expected; they only tell "soon" from "never".</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    private MariaDbServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await MariaDbServer.StartAsync();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task A_killed_server_fails_what_runs_and_the_pool_recovers_by_itself()
    {
        await using var source = new MariaDbDataSource(_server.ConnectionString());
        await using (var idle = await source.OpenConnectionAsync())
        {
            await using var busy = await source.OpenConnectionAsync();
            var sleeping = busy.ScalarAsync("SELECT SLEEP(60)");
            await Waiting.Until(() => Sleeps(idle), "the statement runs");
            await _server.Kill();
            var lost = await Assert.ThrowsAsync<MariaDbException>(() => sleeping.WaitAsync(Soon));
            Assert.True(lost.IsTransient && lost.IsConnectionLost);
            Assert.Equal(ConnectionState.Broken, busy.State);
            Assert.True((await Assert.ThrowsAsync<MariaDbException>(() => busy.ScalarAsync("SELECT 1"))).IsTransient);
        }
        var refused = await Assert.ThrowsAsync<MariaDbException>(() => source.OpenConnectionAsync().AsTask().WaitAsync(Soon));
        Assert.True(refused.IsTransient);
        await _server.RestartAsync();

        await using var again = await source.OpenConnectionAsync();
        Assert.Equal(1, Convert.ToInt32(await again.ScalarAsync("SELECT 1")));
    }

    [Fact]
    public async Task A_silent_server_times_commands_and_openings_out()
    {
        await using var source = new MariaDbDataSource(_server.ConnectionString() + ";Connection Timeout=2;Default Command Timeout=1;Maximum Pool Size=4");
        await using var connection = await source.OpenConnectionAsync();
        _server.Stop();
        try
        {
            var command = await Assert.ThrowsAsync<MariaDbException>(() => connection.ScalarAsync("SELECT 1").WaitAsync(Soon));
            Assert.Equal((MariaDbException.CommandTimedOut, true), (command.Number, command.IsTransient));
            var openings = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Assert.ThrowsAsync<MariaDbException>(
                () => source.OpenConnectionAsync().AsTask().WaitAsync(2 * Soon))));
            Assert.All(openings, opening => Assert.True(opening.IsConnectionLost));
        }
        finally
        {
            _server.Continue();
        }
        await connection.DisposeAsync();

        await using var again = await source.OpenConnectionAsync();
        Assert.Equal(1, Convert.ToInt32(await again.ScalarAsync("SELECT 1")));
    }

    [Fact]
    public async Task A_timeout_ends_one_command_and_the_next_connection_works()
    {
        await using var source = new MariaDbDataSource(_server.ConnectionString() + ";Maximum Pool Size=1");
        await using (var connection = await source.OpenConnectionAsync())
        {
            await using var command = connection.Command("SELECT SLEEP(60)");
            command.CommandTimeout = 1;
            var error = await Assert.ThrowsAsync<MariaDbException>(() => command.ExecuteScalarAsync().WaitAsync(Soon));
            Assert.Equal(MariaDbException.CommandTimedOut, error.Number);
            Assert.IsType<TimeoutException>(error.InnerException);
        }

        await using var again = await source.OpenConnectionAsync();
        Assert.Equal(1, Convert.ToInt32(await again.ScalarAsync("SELECT 1")));
    }

    [Fact]
    public async Task Cancelling_ends_a_command_and_an_opening()
    {
        await using var source = new MariaDbDataSource(_server.ConnectionString() + ";Maximum Pool Size=1");
        using var cancel = new CancellationTokenSource();
        await using (var connection = await source.OpenConnectionAsync())
        {
            await using var command = connection.Command("SELECT SLEEP(60)");
            var running = command.ExecuteScalarAsync(cancel.Token);
            var waiting = source.OpenConnectionAsync(cancel.Token).AsTask();
            await cancel.CancelAsync();
            var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Soon));
            Assert.Equal(cancel.Token, error.CancellationToken);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(Soon));
        }
        await using (var connection = await source.OpenConnectionAsync())
        {
            await using var command = connection.Command("SELECT SLEEP(60)");
            var running = Task.Run(command.ExecuteReader);
            var other = command.ExecuteReaderAsync();
            await Task.WhenAny(running, other);
            command.Cancel();
        }

        await using var again = await source.OpenConnectionAsync();
        Assert.Equal(1, Convert.ToInt32(await again.ScalarAsync("SELECT 1")));
    }

    [Fact]
    public async Task A_port_on_which_nobody_answers_and_one_that_says_nonsense_are_errors()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var text = $"Server=127.0.0.1;Port={port};User ID=a;Connection Timeout=1;Pooling=false";
        await using (var silent = new MariaDbConnection(text))
            Assert.True((await Assert.ThrowsAsync<MariaDbException>(() => silent.OpenAsync().WaitAsync(Soon))).IsConnectionLost);
        using var first = await listener.AcceptSocketAsync();
        await using var nonsense = new MariaDbConnection(text);
        var opening = nonsense.OpenAsync();
        using var socket = await listener.AcceptSocketAsync();
        await socket.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        socket.Shutdown(SocketShutdown.Both);

        await Assert.ThrowsAsync<MariaDbException>(() => opening.WaitAsync(Soon));
    }

    [Fact]
    public async Task Many_at_once_through_a_small_pool_while_the_server_dies_all_get_an_answer()
    {
        await using var source = new MariaDbDataSource(_server.ConnectionString() + ";Maximum Pool Size=4;Connection Timeout=5");
        var stopping = false;
        long done = 0, failed = 0;
        var workers = Enumerable.Range(0, 32).Select(async _ =>
        {
            while (!Volatile.Read(ref stopping))
            {
                try
                {
                    await using var connection = await source.OpenConnectionAsync();
                    await connection.ScalarAsync("SELECT REPEAT('x', 10000)");
                    Interlocked.Increment(ref done);
                }
                catch (MariaDbException)
                {
                    Interlocked.Increment(ref failed);
                }
            }
        }).ToArray();
        for (var round = 0; round < 2; round++)
        {
            var before = Interlocked.Read(ref done);
            await Waiting.Until(() => Interlocked.Read(ref done) > before + 500, "statements run");
            var failures = Interlocked.Read(ref failed);
            await _server.Kill();
            await Waiting.Until(() => Interlocked.Read(ref failed) > failures, "failures are told");
            await _server.RestartAsync();
        }
        var last = Interlocked.Read(ref done);
        await Waiting.Until(() => Interlocked.Read(ref done) > last + 500, "statements run again");
        Volatile.Write(ref stopping, true);
        await Waiting.For(Task.WhenAll(workers), "everybody is answered");
    }

    private static bool Sleeps(System.Data.Common.DbConnection connection)
    {
        using var command = connection.Command("SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(60)'");
        return Convert.ToInt64(command.ExecuteScalar()) > 0;
    }
}
