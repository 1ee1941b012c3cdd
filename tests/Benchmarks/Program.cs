using BenchmarkDotNet.Running;
using PushSystem.Benchmarks.Codec;

// dotnet run -c Release --project tests/Benchmarks -- --filter '*Codec*'
BenchmarkSwitcher.FromAssembly(typeof(PushBenchmarks).Assembly).Run(args);
