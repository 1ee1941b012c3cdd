using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.MariaDb;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Redis;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Benchmarks.Mailbox;

/// <summary>
/// Memory that redis takes per waiting message of 100 bytes, with one and with ten for each user, and how many appends a second one saver
/// does with how many scripts, with a real redis and a real MariaDB on this machine. Users of 12 characters in an app of 4, 64 partitions.
/// Everything has landed and the journals are trimmed before memory is read.
/// <code>dotnet run -c Release --project tests/Benchmarks -- mailbox-memory [messages]</code>
/// </summary>
public static class RedisMailboxMemory
{
    private const string App = "shop";
    private const int Partitions = 64, Payload = 100, Batch = 500, Writers = 16, Singles = 512;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(5);

    /// <summary>Runs it and prints the figures.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var messages = args.Length > 0 ? int.Parse(args[0], NumberStyles.AllowThousands, CultureInfo.InvariantCulture) : 1_000_000;
        foreach (var perUser in (int[])[1, 10])
            await MeasureAsync(messages, perUser);
        return 0;
    }

    private static async Task MeasureAsync(int messages, int perUser)
    {
        await using var redis = await RedisServer.StartAsync();
        await using var maria = await MariaDbServer.StartAsync();
        await using var source = await SchemaAsync(maria);
        await using var link = await RedisLink.OpenAsync(
            new RedisOptions { EndPoints = redis.EndPoint, Timeout = TimeSpan.FromSeconds(10) }, "saver", TimeProvider.System, NullLogger.Instance);
        var mailboxes = new RedisMailboxes(
            link, source, new OneApp(), new NoBroadcasts(), Partitions, "saver", new ClusterSaverOptions { OperationTimeout = TimeSpan.FromSeconds(30) },
            TimeProvider.System, NullLoggerFactory.Instance);
        await mailboxes.StartAsync(CancellationToken.None);
        var users = messages / perUser;
        await mailboxes.PositionsAsync([.. Enumerable.Range(0, 10_000).Select(Key)], CancellationToken.None);
        var before = await MemoryAsync(redis);

        var started = TimeProvider.System.GetTimestamp();
        var scripts = await ScriptsAsync(redis);
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(async () =>
        {
            for (int batch; (batch = Interlocked.Increment(ref next)) < messages / Batch;)
                await AppendAsync(mailboxes, [.. Enumerable.Range(batch * Batch, Batch).Select(i => i % users)]);
        })));
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        Print($"appends/s, stored, batches of {Batch}, {perUser} per user", messages / seconds);
        Print("  scripts per message", (double)(await ScriptsAsync(redis) - scripts) / messages);
        while (mailboxes.LagRows > 0)
            await Task.Delay(50);
        Print("  landed rows/s, the appends included", messages / TimeProvider.System.GetElapsedTime(started).TotalSeconds);
        await Task.Delay(1_000);
        Print("  bytes of redis memory per message", (double)(await MemoryAsync(redis) - before) / messages);
        if (perUser == 1)
            await SinglesAsync(redis, mailboxes, users);
        await mailboxes.DisposeAsync();
    }

    /// <summary>Single messages to random users with their acknowledgements, as in operation.</summary>
    private static async Task SinglesAsync(RedisServer redis, RedisMailboxes mailboxes, int users)
    {
        foreach (var level in (Durability[])[Durability.Stored, Durability.Durable])
        {
            var scripts = await ScriptsAsync(redis);
            var started = TimeProvider.System.GetTimestamp();
            var sent = 0;
            await Task.WhenAll(Enumerable.Range(0, Singles).Select(writer => Task.Run(async () =>
            {
                var random = new Random(writer);
                while (TimeProvider.System.GetElapsedTime(started) < Length)
                {
                    var user = users + random.Next(10_000);
                    var reply = await AppendAsync(mailboxes, [user], level);
                    await mailboxes.AckAsync([new AckEntry(Key(user), StreamKind.Mailbox, reply.Results[0].Epoch, reply.Results[0].Seq)], CancellationToken.None);
                    Interlocked.Increment(ref sent);
                }
            })));
            Print($"appends/s with acks, {level}, {Singles} writers of one message", sent / TimeProvider.System.GetElapsedTime(started).TotalSeconds);
            Print("  scripts per message", (double)(await ScriptsAsync(redis) - scripts) / sent);
        }
    }

    private static async Task<AppendReply> AppendAsync(RedisMailboxes mailboxes, int[] users, Durability level = Durability.Stored)
    {
        while (true)
        {
            var reply = await mailboxes.AppendAsync(
                new AppendRequest(App, level, [.. users.Select(user => new MessageDraft(Key(user).User, PayloadKind.Binary, new byte[Payload], null))], null),
                CancellationToken.None);
            if (reply.Status == WriteStatus.Stored)
                return reply;
            // The landing is behind: wait for it, as a caller would.
            await Task.Delay(20);
        }
    }

    private static async Task<System.Data.Common.DbDataSource> SchemaAsync(MariaDbServer maria)
    {
        await using (var root = MariaDbFactory.Instance.CreateDataSource(maria.ConnectionString()))
        await using (var command = root.CreateCommand("CREATE DATABASE bench"))
            await command.ExecuteNonQueryAsync();
        var source = MariaDbFactory.Instance.CreateDataSource(maria.ConnectionString("bench"));
        var assembly = typeof(ClusterSaverOptions).Assembly;
        var name = assembly.GetManifestResourceNames().Single(name => name.EndsWith("0002_mailboxes.sql", StringComparison.Ordinal));
        using var script = new StreamReader(assembly.GetManifestResourceStream(name)!);
        foreach (var statement in (await script.ReadToEndAsync()).Split(";\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            await using var command = source.CreateCommand(statement.TrimEnd(';'));
            await command.ExecuteNonQueryAsync();
        }
        return source;
    }

    private static UserKey Key(int user) => new(App, $"user{user:D8}");

    private static async Task<long> MemoryAsync(RedisServer redis) => Field(await redis.CliAsync("INFO", "memory"), "used_memory:");

    private static async Task<long> ScriptsAsync(RedisServer redis)
    {
        var line = (await redis.CliAsync("INFO", "commandstats")).Split('\n').FirstOrDefault(line => line.StartsWith("cmdstat_evalsha:", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.Split("calls=")[1].Split(',')[0], CultureInfo.InvariantCulture);
    }

    private static long Field(string info, string name) => long.Parse(
        info.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim(), CultureInfo.InvariantCulture);

    private static void Print(string name, double value) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-64} {value,14:N2}"));

    private sealed class OneApp : IAppDirectory
    {
        private readonly AppRecord _app = new() { Id = App };

        public event Action<string>? Changed { add { } remove { } }

        public IReadOnlyList<AppRecord> All => [_app];

        public AppRecord? Find(string id) => id == App ? _app : null;

        public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => null;

        public ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken) => throw new NotSupportedException();
    }

    private sealed class NoBroadcasts : IBroadcastView
    {
        public ValueTask<BroadcastEnds> EndsAsync(string app, CancellationToken cancellationToken) => ValueTask.FromResult(new BroadcastEnds(1, 0, 0));

        public ValueTask<(long Position, ResetReason Reason)> SkipDeadAsync(string app, long position, CancellationToken cancellationToken) =>
            ValueTask.FromResult((position, ResetReason.None));

        public void CountAcks(string app, uint epoch, long after, long to, int users)
        {
        }
    }
}
