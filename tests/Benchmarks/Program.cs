using BenchmarkDotNet.Running;
using PushSystem.Benchmarks.Codec;
using PushSystem.Benchmarks.Dispatcher;
using PushSystem.Benchmarks.Mailbox;
using PushSystem.Benchmarks.Register;
using PushSystem.Benchmarks.Rpc;

// dotnet run -c Release --project tests/Benchmarks -- rpc
if (RpcBenchmark.IsWanted(args))
{
    await RpcBenchmark.RunAsync(args);
    return;
}

// dotnet run -c Release --project tests/Benchmarks -- register-memory [sessions] [uuid]
if (args is ["register-memory", .. var rest])
{
    Environment.ExitCode = await RegisterMemory.RunAsync(rest);
    return;
}

// dotnet run -c Release --project tests/Benchmarks -- mailbox-memory [messages]
if (args is ["mailbox-memory", .. var mailboxes])
{
    Environment.ExitCode = await RedisMailboxMemory.RunAsync(mailboxes);
    return;
}

// dotnet run -c Release --project tests/Benchmarks -- dispatcher
if (DispatcherBenchmark.IsWanted(args))
{
    Environment.ExitCode = await DispatcherBenchmark.RunAsync(args);
    return;
}

// dotnet run -c Release --project tests/Benchmarks -- --filter '*Codec*'
BenchmarkSwitcher.FromAssembly(typeof(PushBenchmarks).Assembly).Run(args);
