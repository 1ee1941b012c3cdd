using System.Net;
using System.Net.Sockets;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>A wire between a client and an etcd that the test can cut or stop up. Owned by the test; any thread.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Uri _target;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private readonly List<TcpClient> _open = [];
    private readonly Task _accepting;
    private volatile TaskCompletionSource _flowing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isCut;

    public TcpProxy(string target)
    {
        _target = new Uri(target);
        _flowing.SetResult();
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Closes all connections and every new one.</summary>
    public void Cut()
    {
        _isCut = true;
        lock (_lock)
        {
            foreach (var one in _open)
                one.Dispose();
            _open.Clear();
        }
    }

    /// <summary>Takes connections again.</summary>
    public void Restore() => _isCut = false;

    /// <summary>Keeps all connections, and takes new ones, but no byte goes through.</summary>
    public void StopUp() => _flowing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets through what was held back, and all that follows.</summary>
    public void Flow() => _flowing.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        Cut();
        Flow();
        await _accepting;
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> copying = [];
        try
        {
            while (true)
            {
                var near = await _listener.AcceptTcpClientAsync(_stopping.Token);
                if (_isCut)
                {
                    near.Dispose();
                    continue;
                }
                var far = new TcpClient();
                await far.ConnectAsync(_target.Host, _target.Port, _stopping.Token);
                lock (_lock)
                    _open.AddRange([near, far]);
                copying.Add(CopyAsync(near, far));
                copying.Add(CopyAsync(far, near));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(copying);
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to)
    {
        var buffer = new byte[16 << 10];
        try
        {
            var (source, target) = (from.GetStream(), to.GetStream());
            while (await source.ReadAsync(buffer) is var read and > 0)
            {
                await _flowing.Task;
                await target.WriteAsync(buffer.AsMemory(0, read));
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Cut by the test, or by one of both ends.
        }
        from.Dispose();
        to.Dispose();
    }
}
