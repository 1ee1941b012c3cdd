using System.Text;
using Microsoft.AspNetCore.Http;

namespace PushSystem.Cluster.Tests.Fake;

/// <summary>One open watch stream of the fake. Owned by the fake; the test writes what it likes into it.</summary>
internal sealed class FakeWatch(HttpContext context, FakeRequest request)
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FakeRequest Request => request;

    /// <summary>The create requests of the body, in order.</summary>
    public string[] Creates => request.Body.Replace("}}{", "}}\n{", StringComparison.Ordinal).Split('\n');

    /// <summary>Where the watch of the prefix begins.</summary>
    public long StartRevision
    {
        get
        {
            using var create = System.Text.Json.JsonDocument.Parse(Creates[0]);
            return long.Parse(create.RootElement.GetProperty("create_request").GetProperty("start_revision").GetString()!, System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Completes when the client closed the stream.</summary>
    public Task Closed { get; } = ClosedOf(context.RequestAborted);

    internal Task Ended => _end.Task;

    /// <summary>Sends lines, each with its end.</summary>
    public async Task Send(params string[] lines)
    {
        foreach (var line in lines)
            await Raw(line + "\n");
    }

    /// <summary>Sends bytes as they are.</summary>
    public async Task Raw(string text)
    {
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text));
        await context.Response.Body.FlushAsync();
    }

    /// <summary>Ends the body as HTTP wants it.</summary>
    public void End() => _end.TrySetResult();

    /// <summary>Ends without the terminator of a chunked body: what a killed etcd leaves.</summary>
    public void Cut()
    {
        context.Abort();
        _end.TrySetResult();
    }

    private static async Task ClosedOf(CancellationToken aborted) =>
        await Task.Delay(Timeout.Infinite, aborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
