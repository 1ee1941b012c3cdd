using System.Diagnostics;
using System.Globalization;
using System.Net;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Rpc;

namespace PushSystem.Benchmarks.Rpc;

/// <summary>
/// Echo of a 64-byte payload over one link, with 1, 16 and 256 calls in flight: <c>dotnet run -c Release --project tests/Benchmarks -- rpc</c>.
/// First both sides in this process, then the server in a second one. It owns the server, the links and the second process.
/// </summary>
internal static class RpcBenchmark
{
    private const string ServerWord = "rpc-server";
    private static readonly int[] InFlight = [1, 16, 256];
    private static readonly RpcRawMethod Raw = new(1, "Benchmark.Raw");
    private static readonly RpcMethod<EchoBytes, EchoBytes> Typed = new(2, "Benchmark.Typed", EchoBytes.Parser, EchoBytes.Parser);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);
    private static readonly byte[] Payload = [.. Enumerable.Range(0, 64).Select(value => (byte)value)];
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(value => (byte)value)];

    /// <summary>True when the arguments ask for it.</summary>
    public static bool IsWanted(string[] args) => args.Length > 0 && args[0] is "rpc" or ServerWord;

    /// <summary>Prints the table. "rpc 10" measures 10 s per row instead of 3.</summary>
    public static async Task RunAsync(string[] args)
    {
        if (args[0] == ServerWord)
        {
            await ServeAsync();
            return;
        }
        var seconds = args.Length > 1 ? double.Parse(args[1], CultureInfo.InvariantCulture) : 3;
        Console.WriteLine($"{Environment.ProcessorCount} processors, .NET {Environment.Version}, {seconds} s per row after a warm-up; 64-byte payload, one link");
        Console.WriteLine("| server | path | in flight | calls/s | p50 µs | p99 µs | bytes allocated per call | CPU µs per call |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        await using (var server = await StartServerAsync())
            await MeasureAllAsync("same process", server.EndPoint.Port, seconds);
        using var other = StartOther(out var port);
        await MeasureAllAsync("own process", port, seconds);
        other.StandardInput.Close();
        await other.WaitForExitAsync();
    }

    private static async Task MeasureAllAsync(string server, int port, double seconds)
    {
        await using var links = new NodeLinks(Options("client"), NullLogger<NodeLinks>.Instance);
        var address = new NodeAddress("server", "127.0.0.1", port);
        var raw = links.ToRaw(address);
        var typed = links.To(address);
        var message = new EchoBytes { Payload = ByteString.CopyFrom(Payload) };
        foreach (var (path, caller) in new (string, Func<RpcLoad, Task>)[]
        {
            ("raw bytes", load => CallRawAsync(raw, load)),
            ("protobuf", load => CallTypedAsync(typed, message, load)),
        })
        {
            foreach (var count in InFlight)
            {
                await RpcLoad.RunAsync(count, Math.Min(2, seconds), caller);
                var load = await RpcLoad.RunAsync(count, seconds, caller);
                Console.WriteLine(load.Row($"| {server} | {path} | {count} "));
            }
        }
    }

    private static async Task CallRawAsync(IRpcRawCaller caller, RpcLoad load)
    {
        var histogram = load.Histogram();
        while (!load.IsOver)
        {
            var started = Stopwatch.GetTimestamp();
            using (await caller.CallAsync(Raw, Payload, CallTimeout, CancellationToken.None))
                histogram.Add(Stopwatch.GetTimestamp() - started);
        }
    }

    private static async Task CallTypedAsync(IRpcCaller caller, EchoBytes message, RpcLoad load)
    {
        var histogram = load.Histogram();
        while (!load.IsOver)
        {
            var started = Stopwatch.GetTimestamp();
            await caller.CallAsync(Typed, message, CallTimeout, CancellationToken.None);
            histogram.Add(Stopwatch.GetTimestamp() - started);
        }
    }

    private static RpcOptions Options(string nodeId) => new() { NodeId = nodeId, ClusterKeys = [Key] };

    private static async Task<RpcServer> StartServerAsync()
    {
        var methods = new RpcMethods();
        methods.Add(Raw, static (request, reply, _) =>
        {
            request.Span.CopyTo(reply.GetSpan(request.Length));
            reply.Advance(request.Length);
            return default;
        });
        methods.Add(Typed, static (request, _) => ValueTask.FromResult(new EchoBytes { Payload = request.Payload }));
        var server = new RpcServer(Options("server"), methods, NullLogger<RpcServer>.Instance);
        await server.StartAsync();
        return server;
    }

    private static async Task ServeAsync()
    {
        await using var server = await StartServerAsync();
        Console.WriteLine(server.EndPoint.Port);
        // Ends with the parent, however that ends.
        await Console.In.ReadToEndAsync();
    }

    private static Process StartOther(out int port)
    {
        var info = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(info.FileName) == "dotnet")
            info.ArgumentList.Add(typeof(RpcBenchmark).Assembly.Location);
        info.ArgumentList.Add(ServerWord);
        var process = Process.Start(info)!;
        port = int.Parse(process.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
        return process;
    }
}
