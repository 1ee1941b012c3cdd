using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PushSystem.Center;
using PushSystem.Center.Auth;
using PushSystem.Contracts;
using PushSystem.Dispatcher;
using PushSystem.Hosting;
using PushSystem.Hosting.Lifetime;
using PushSystem.Hosting.Health;
using PushSystem.Hosting.Problems;
using PushSystem.Standalone;

var time = TimeProvider.System;
var startedAt = time.GetTimestamp();
using var stop = new StopSignal();
return await CommandLine.RunAsync(args, async options =>
{
    try
    {
        return await RunAsync(options);
    }
    catch (OperationCanceledException) when (stop.Requested.IsCompleted)
    {
        return 0;
    }
    catch (Exception exception) when (exception is IOException or InvalidDataException or SocketException or UnauthorizedAccessException or StoreUnavailableException
        or ArgumentException or InvalidOperationException)
    {
        // What an operator can mend: a taken port, a folder in use, no right to write. The rest is our bug and keeps its stack.
        await Console.Error.WriteLineAsync($"PushSystem cannot run: {exception.Message}");
        return 1;
    }
});

async Task<int> RunAsync(StandaloneOptions options)
{
    DataDirectory.Create(options.Data);
    var adminPath = Path.Combine(options.Data, "admin.key");

    var builder = WebApplication.CreateSlimBuilder();
    builder.Logging.AddConsoleLog().SetMinimumLevel(Enum.Parse<LogLevel>(options.LogLevel));
    // The process has its own Ctrl+C: the host must not begin to stop before the clients were told.
    builder.Services.AddSingleton<Microsoft.Extensions.Hosting.IHostLifetime, NoLifetime>();
    builder.WebHost.ConfigureKestrel(kestrel =>
    {
        kestrel.Listen(options.Api);
        kestrel.Listen(options.Dispatcher);
    });
    using var loggers = LoggerFactory.Create(logging => logging.AddConsoleLog().SetMinimumLevel(Enum.Parse<LogLevel>(options.LogLevel)));

    await using var gateway = await Gateway.OpenAsync(options, time, loggers, stop.Token);
    // Only with the store's lock held: two processes must not write the same key files.
    var adminKey = KeyFile.Read(adminPath);
    if (adminKey is null)
        KeyFile.Write(adminPath, adminKey = AppKeys.NewAdminKey());
    builder.Services.AddSingleton(time)
        .AddSingleton<IAppDirectory>(gateway.Store.Apps).AddSingleton<IMailboxes>(gateway.Store.Mailboxes)
        .AddSingleton<IBroadcastLog>(gateway.Store.Broadcasts).AddSingleton<IIdempotencyStore>(gateway.Store.Idempotency)
        .AddSingleton<IMulticasts>(gateway.Store.Multicasts).AddSingleton<IWorkClaims>(gateway.Store.Claims)
        .AddSingleton<ISessionRegistry>(gateway.Registry).AddSingleton<IRoomDirectory>(gateway.Directory)
        .AddSingleton<ICoordinator>(gateway.Coordinator)
        .AddHealthAndMetrics()
        .AddCenter(new CenterOptions { AdminKeyHash = Convert.ToHexString(AppKeys.Hash(adminKey)) })
        .AddDispatcher(new DispatcherOptions
        {
            HeartbeatMin = gateway.RoomOptions.HeartbeatMin,
            HeartbeatMax = gateway.RoomOptions.HeartbeatMax,
            HeartbeatDefault = gateway.RoomOptions.HeartbeatDefault,
        });

    await using var web = builder.Build();
    web.UseProblems();
    web.UsePortGate(options.Dispatcher.Port);
    web.MapHealthAndMetrics();
    web.MapCenter();
    web.MapDispatcher();

    await gateway.StartAsync(stop.Token);
    var apiKey = options.Demo ? await DemoApp.EnsureAsync(gateway.Store.Apps, options.Data, time, stop.Token) : null;
    await web.StartAsync(stop.Token);
    await using var device = options is { Demo: true, DemoDevice: true } ? new DemoDevice(gateway.Store.Apps, options, time) : null;
    if (device is not null)
        await device.StartAsync(stop.Token);
    Banner.Print(options, apiKey, adminPath, time.GetElapsedTime(startedAt));

    await stop.Requested;
    Console.WriteLine("draining: clients are asked to come back later (Ctrl+C again ends at once)");
    web.Services.GetRequiredService<HealthState>().StartDraining();
    if (device is not null)
        await device.DisposeAsync();
    await gateway.DrainAsync();
    await web.StopAsync(CancellationToken.None);
    return 0;
}
