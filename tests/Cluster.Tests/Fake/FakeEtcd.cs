using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Fake;

/// <summary>
/// A scripted etcd: an HTTP server on a free port that answers each path with what the test queued for it (the last answer repeats),
/// keeps what it was sent, and hands out its watch streams. Owned by the test; any thread.
/// </summary>
internal sealed class FakeEtcd : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Answers> _scripts = new();
    private readonly Lock _lock = new();
    private readonly List<FakeRequest> _requests = [];
    private readonly List<FakeWatch> _watches = [];
    private readonly List<(Func<bool> Holds, TaskCompletionSource Met)> _waiting = [];
    private WebApplication? _server;

    /// <summary>Client URL.</summary>
    public string Endpoint { get; private set; } = "";

    /// <summary>A new watch gets its "created" lines at once.</summary>
    public bool AnswersWatches { get; set; } = true;

    /// <summary>How many watches were opened.</summary>
    public int WatchCount
    {
        get
        {
            lock (_lock)
                return _watches.Count;
        }
    }

    public static async Task<FakeEtcd> StartAsync()
    {
        var fake = new FakeEtcd();
        fake.Script("/v3/kv/range", FakeReply.List(1));
        fake.Script("/v3/kv/txn", FakeReply.Done(2));
        fake.Script("/v3/lease/grant", FakeReply.Lease(77, 10));
        fake.Script("/v3/lease/keepalive", FakeReply.Alive(77, 10));
        fake.Script("/v3/lease/revoke", FakeReply.Ok("""{"header":{"revision":"1"}}"""));
        fake.Script("/v3/cluster/member/list", FakeReply.Ok("""{"header":{}}"""));
        fake.Script("/version", FakeReply.Ok("""{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}"""));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.AllowSynchronousIO = false);
        fake._server = builder.Build();
        fake._server.Run(fake.ServeAsync);
        await fake._server.StartAsync();
        fake.Endpoint = fake._server.Urls.First();
        return fake;
    }

    /// <summary>The answers to a path, one after the other; the last one repeats.</summary>
    public void Script(string path, params FakeReply[] replies) =>
        _scripts[path] = new Answers([.. replies.Select(reply => (Func<FakeRequest, Task<FakeReply>>)(_ => Task.FromResult(reply)))]);

    /// <summary>Answers made from the request.</summary>
    public void Script(string path, Func<FakeRequest, Task<FakeReply>> answer) => _scripts[path] = new Answers([answer]);

    /// <summary>What came to a path so far.</summary>
    public IReadOnlyList<FakeRequest> Requests(string path)
    {
        lock (_lock)
            return [.. _requests.Where(request => request.Path == path)];
    }

    /// <summary>Everything that came.</summary>
    public IReadOnlyList<FakeRequest> All()
    {
        lock (_lock)
            return [.. _requests];
    }

    /// <summary>The request number <paramref name="count"/> (from 1) to a path, now or later.</summary>
    public async Task<FakeRequest> Request(string path, int count)
    {
        await Met(() => _requests.Count(request => request.Path == path) >= count, $"request {count} to {path}");
        return Requests(path)[count - 1];
    }

    /// <summary>The watch number <paramref name="count"/> (from 1), now or later.</summary>
    public async Task<FakeWatch> Watch(int count)
    {
        await Met(() => _watches.Count >= count, $"watch {count}");
        lock (_lock)
            return _watches[count - 1];
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            foreach (var watch in _watches)
                watch.End();
        }
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _server!.StopAsync(now.Token);
        await _server.DisposeAsync();
    }

    private async Task Met(Func<bool> holds, string what)
    {
        var met = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (holds())
                return;
            _waiting.Add((holds, met));
        }
        await Waiting.For(met.Task, what);
    }

    private async Task ServeAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        var request = new FakeRequest(context.Request.Method, context.Request.Path, body, context.Request.Headers.Authorization);
        lock (_lock)
        {
            _requests.Add(request);
            Wake();
        }
        if (request.Path == "/v3/watch" && !_scripts.ContainsKey(request.Path))
        {
            await ServeWatchAsync(context, request);
            return;
        }
        var reply = _scripts.TryGetValue(request.Path, out var script) ? await script.Next(request) : new FakeReply(404, "Not Found", "text/plain");
        if (reply == FakeReply.Cut)
        {
            context.Abort();
            return;
        }
        if (reply == FakeReply.Silence)
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        context.Response.StatusCode = reply.Status;
        context.Response.ContentType = reply.ContentType;
        if (reply.Status is >= 300 and < 400)
            context.Response.Headers.Location = reply.Body;
        await context.Response.WriteAsync(reply.Body);
    }

    private async Task ServeWatchAsync(HttpContext context, FakeRequest request)
    {
        context.Response.ContentType = "application/json";
        await context.Response.StartAsync();
        await context.Response.Body.FlushAsync();
        var watch = new FakeWatch(context, request);
        if (AnswersWatches)
            await watch.Send(Json.Created(1), Json.Created(2));
        lock (_lock)
        {
            _watches.Add(watch);
            Wake();
        }
        await Task.WhenAny(watch.Ended, watch.Closed);
    }

    private void Wake()
    {
        foreach (var (_, met) in _waiting.Where(one => one.Holds()).ToList())
            met.TrySetResult();
        _waiting.RemoveAll(one => one.Met.Task.IsCompleted);
    }

    private sealed class Answers(Func<FakeRequest, Task<FakeReply>>[] replies)
    {
        private int _next;

        public Task<FakeReply> Next(FakeRequest request) => replies[Math.Min(Interlocked.Increment(ref _next) - 1, replies.Length - 1)](request);
    }
}
