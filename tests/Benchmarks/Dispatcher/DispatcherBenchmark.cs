using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;
using PushSystem.Dispatcher;
using PushSystem.Hosting.Problems;

namespace PushSystem.Benchmarks.Dispatcher;

/// <summary>
/// The dispatcher beside an empty endpoint of the same web server, in one process, in turns, with the load generator on the same
/// cores. Prints the ratio of each round and the median. Target: 0.5.
/// </summary>
internal static class DispatcherBenchmark
{
    private const double Target = 0.5;
    private const int Rounds = 9, Rooms = 20, Networks = 100_000;
    private static readonly TimeSpan RoundTime = TimeSpan.FromSeconds(2);

    public static bool IsWanted(string[] args) => args is ["dispatcher", ..];

    /// <summary>0 when the median reaches the target.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var connections = args.Length > 1 ? int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture) : 16;
        var depth = args.Length > 2 ? int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) : 16;
        await using var bare = Build(_ => { }, web => web.Run(static _ => Task.CompletedTask));
        await using var empty = Build(_ => { }, web => web.MapGet("/v1/route", (RequestDelegate)(static _ => Task.CompletedTask)));
        await using var dispatcher = Build(
            services => services.AddSingleton<IRoomDirectory>(new Directory()).AddDispatcher(Options()),
            web =>
            {
                web.UseProblems();
                web.MapDispatcher();
            });
        using var toBare = await StartAsync(bare, connections, depth);
        using var toEmpty = await StartAsync(empty, connections, depth);
        using var toDispatcher = await StartAsync(dispatcher, connections, depth);
        Console.WriteLine($"dispatcher: {Rooms} rooms with 2 addresses, {Networks:N0} networks, rate limit on; {connections} connections, {depth} requests in flight on each");
        foreach (var load in new[] { toBare, toEmpty, toDispatcher })
            load.Run(RoundTime);
        var ratios = new double[Rounds];
        var (empties, routes, bares) = (new double[Rounds], new double[Rounds], new double[Rounds]);
        for (var i = 0; i < Rounds; i++)
        {
            empties[i] = toEmpty.Run(RoundTime);
            routes[i] = toDispatcher.Run(RoundTime);
            bares[i] = toBare.Run(RoundTime);
            ratios[i] = routes[i] / empties[i];
            Console.WriteLine($"round {i + 1}: empty endpoint {empties[i],10:N0}/s, dispatcher {routes[i],10:N0}/s, ratio {ratios[i]:0.00} (no endpoint at all {bares[i]:N0}/s)");
        }
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var emptyCount = toEmpty.Run(RoundTime) * RoundTime.TotalSeconds;
        var between = GC.GetTotalAllocatedBytes(precise: true);
        var routeCount = toDispatcher.Run(RoundTime) * RoundTime.TotalSeconds;
        var after = GC.GetTotalAllocatedBytes(precise: true);
        Console.WriteLine($"allocated per request: empty endpoint {(between - before) / emptyCount:0} bytes, dispatcher {(after - between) / routeCount:0} bytes");
        Console.WriteLine($"median: empty endpoint {Median(empties):N0}/s, dispatcher {Median(routes):N0}/s, no endpoint at all {Median(bares):N0}/s");
        Console.WriteLine($"median ratio to an empty endpoint: {Median(ratios):0.00} (target {Target:0.00})");
        return Median(ratios) >= Target ? 0 : 1;
    }

    private static DispatcherOptions Options() => new()
    {
        // The limiter works, but all of the load comes from one address.
        ClientRate = 1_000_000,
        ClientBurst = 1_000_000,
        FallbackDataCentres = ["dc-2", "dc-1"],
        Networks =
        [
            new NetworkLocation { Cidr = IPNetwork.Parse("127.0.0.0/8"), Region = "eu", Isp = "isp-1" },
            .. Enumerable.Range(0, Networks - 1).Select(i => new NetworkLocation
            {
                Cidr = new IPNetwork(new IPAddress([(byte)(1 + i / 65_536), (byte)(i / 256), (byte)i, 0]), 24), Region = $"region-{i % 30}", Isp = $"isp-{i % 4}",
            }),
        ],
    };

    private static WebApplication Build(Action<IServiceCollection> services, Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        services(builder.Services);
        var web = builder.Build();
        map(web);
        return web;
    }

    private static async Task<HttpLoad> StartAsync(WebApplication web, int connections, int depth)
    {
        await web.StartAsync();
        var address = new Uri(web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return new HttpLoad(new IPEndPoint(IPAddress.Loopback, address.Port), connections, depth, i => $"/v1/route?app=shop&user=user-{i}&device=device-{i}");
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    private sealed class Directory : IRoomDirectory
    {
        public IReadOnlyList<RoomInfo> Rooms { get; } =
        [
            .. Enumerable.Range(0, DispatcherBenchmark.Rooms).Select(i => new RoomInfo
            {
                Id = $"room-{i}", Incarnation = i + 1, Addresses = [new RoomAddress($"192.0.2.{i}", 7402), new RoomAddress($"192.0.2.{i}", 443)],
                Region = i % 2 == 0 ? "eu" : "us", Isp = i % 3 == 0 ? "isp-1" : "", DataCentre = i % 2 == 0 ? "dc-1" : "dc-2", Capacity = 1_000_000,
            }),
        ];

        public IRoomNode? Find(string room, long incarnation) => null;
    }
}
