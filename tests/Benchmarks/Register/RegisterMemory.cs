using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Register;
using PushSystem.Register.Redis;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Benchmarks.Register;

/// <summary>
/// Memory that redis takes per session, and how many binds and lookups a second one register does, with a real redis on this machine.
/// Users of 12 characters or UUIDs in an app of 4, devices with UUIDs, IPv4 addresses, ten rooms; inserted through the registry.
/// <code>dotnet run -c Release --project tests/Benchmarks -- register-memory [sessions] [uuid]</code>
/// </summary>
public static class RegisterMemory
{
    private const int Rooms = 10, BindBatch = 500, Binders = 16, Seekers = 512;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(5);

    /// <summary>Runs it; returns the process's exit code: 1 when a session takes more than 120 bytes.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var sessions = args.Length > 0 ? int.Parse(args[0], NumberStyles.AllowThousands, CultureInfo.InvariantCulture) : 1_000_000;
        var uuids = args.Contains("uuid");
        await using var redis = await RedisServer.StartAsync("--hash-max-listpack-entries", "512", "--hash-max-listpack-value", "512");
        await using var link = await RedisLink.OpenAsync(
            new RedisOptions { EndPoints = redis.EndPoint, Timeout = TimeSpan.FromSeconds(10) }, "register", TimeProvider.System, NullLogger.Instance);
        await using var registry = new RedisSessionRegistry(
            link, new RegisterOptions { CallTimeout = TimeSpan.FromSeconds(10) }, new AllLive(), null, TimeProvider.System, NullLogger.Instance);
        await registry.EpochsAsync(CancellationToken.None);
        var before = await MemoryAsync(redis);

        var rate = await MeasureAsync(Binders, sessions / BindBatch, batch =>
            registry.BindAsync([.. Enumerable.Range(batch * BindBatch, BindBatch).Select(i => Entry(i, uuids, 0))], CancellationToken.None).AsTask());
        Print("binds/s, new, batches of 500", rate * BindBatch);
        var bytes = (double)(await MemoryAsync(redis) - before) / sessions;
        Print("sessions", await registry.CountAsync("shop", CancellationToken.None));
        Print("bytes of redis memory per session", bytes);

        rate = await MeasureAsync(Binders, int.MaxValue, _ =>
            registry.BindAsync([.. Any(sessions, BindBatch).Select(i => Entry(i, uuids, 1))], CancellationToken.None).AsTask());
        Print("binds/s, takeovers, batches of 500", rate * BindBatch);
        rate = await MeasureAsync(Binders, int.MaxValue, _ =>
            registry.LookupAsync([.. Any(sessions, BindBatch).Select(i => Key(i, uuids))], CancellationToken.None).AsTask());
        Print("lookups/s, batches of 500", rate * BindBatch);
        rate = await MeasureAsync(Seekers, int.MaxValue, _ =>
            registry.LookupAsync([Key(Random.Shared.Next(sessions), uuids)], CancellationToken.None).AsTask());
        Print($"lookups/s, one at a time by {Seekers} callers", rate);
        rate = await MeasureAsync(Seekers, int.MaxValue, _ =>
            registry.BindAsync([Entry(Random.Shared.Next(sessions), uuids, 2)], CancellationToken.None).AsTask());
        Print($"binds/s, one at a time by {Seekers} callers", rate);
        Print("bytes of redis memory per session at the end", (double)(await MemoryAsync(redis) - before) / sessions);
        Console.WriteLine((await redis.CliAsync("info", "commandstats")).Split('\n').Where(line => line.Contains("eval")).Aggregate("", (all, line) => all + line.Trim() + "\n"));
        return bytes <= 120 ? 0 : 1;
    }

    /// <summary>Calls a second of so many callers, each with one call at a time, until all calls are made or the time is over.</summary>
    private static async Task<double> MeasureAsync(int callers, int calls, Func<int, Task> call)
    {
        var started = TimeProvider.System.GetTimestamp();
        var next = -1;
        long done = 0;
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                var number = Interlocked.Increment(ref next);
                if (number >= calls || (calls == int.MaxValue && TimeProvider.System.GetElapsedTime(started) > Length))
                    return;
                await call(number);
                Interlocked.Increment(ref done);
            }
        })));
        return done / TimeProvider.System.GetElapsedTime(started).TotalSeconds;
    }

    private static async Task<long> MemoryAsync(RedisServer redis)
    {
        var line = (await redis.CliAsync("info", "memory")).Split('\n').First(line => line.StartsWith("used_memory:", StringComparison.Ordinal));
        return long.Parse(line.AsSpan(line.IndexOf(':') + 1).Trim(), CultureInfo.InvariantCulture);
    }

    private static IEnumerable<int> Any(int sessions, int count) => Enumerable.Range(0, count).Select(_ => Random.Shared.Next(sessions));

    private static UserKey Key(int user, bool uuid) => new("shop", uuid ? Uuid(user, 1) : $"user-{user:0000000}");

    private static SessionEntry Entry(int user, bool uuid, int round) => new()
    {
        Key = Key(user, uuid),
        Room = $"room-{user % Rooms}",
        Incarnation = 1_000_000 + (user % Rooms),
        Connection = (ulong)((user * 3L) + round + 1),
        Device = Uuid(user, 2),
        RemoteAddress = $"{10 + (user % 200)}.{user % 251}.{user % 241}.{1 + (user % 239)}:{1024 + (user % 60_000)}",
        BoundAt = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
    };

    private static string Uuid(int user, int kind)
    {
        var low = StableHash.Pair((ulong)user, (ulong)kind);
        return new Guid((int)low, (short)(low >> 32), (short)(low >> 48), BitConverter.GetBytes(StableHash.Pair(low, 7))).ToString();
    }

    private static void Print(string what, double value) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-50} {value,14:#,0.#}"));

    private sealed class AllLive : IRoomDirectory
    {
        public IReadOnlyList<RoomInfo> Rooms => [];

        public IRoomNode? Find(string room, long incarnation) => Alive;

        private static readonly IRoomNode Alive = new NoRoom();

        private sealed class NoRoom : IRoomNode
        {
            public ValueTask<IReadOnlyList<DeliverOutcome>> DeliverAsync(IReadOnlyList<DeliverItem> items, CancellationToken cancellationToken) =>
                throw new NotSupportedException();

            public ValueTask<IReadOnlyList<bool>> KickAsync(IReadOnlyList<KickItem> items, CancellationToken cancellationToken) =>
                throw new NotSupportedException();

            public ValueTask<FanoutProgress> FanoutAsync(FanoutCommand command, CancellationToken cancellationToken) =>
                throw new NotSupportedException();
        }
    }
}
