using BenchmarkDotNet.Running;
using PushSystem.Benchmarks.Codec;
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

// dotnet run -c Release --project tests/Benchmarks -- --filter '*Codec*'
BenchmarkSwitcher.FromAssembly(typeof(PushBenchmarks).Assembly).Run(args);
