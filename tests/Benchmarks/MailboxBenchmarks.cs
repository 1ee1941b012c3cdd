using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver;

namespace PushSystem.Benchmarks;

/// <summary>
/// The message store with 20,000 users and payloads of 200 bytes, every append durable. Each benchmark acknowledges what it appended,
/// so that the store stays as it is in operation; times are per message, acknowledgement or opening.
/// </summary>
[MemoryDiagnoser]
[SimpleJob(warmupCount: 3, iterationCount: 10)]
public class MailboxBenchmarks
{
    private const string App = "bench";
    private const int Users = 20_000;
    private const int Batch = 1_000;
    private const int Writers = 64;

    private readonly byte[] _payload = new byte[200];
    private readonly Random _random = new(1);
    private string _folder = null!;
    private SqlStore _store = null!;
    private OpenRequest[] _openings = null!;
    private ReadRequest _read;

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _folder = Directory.CreateTempSubdirectory("push-bench-").FullName;
        _store = await SqlStore.OpenAsync(
            new SaverOptions { DataFolder = _folder }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        await _store.Apps.SaveAsync(new AppRecord { Id = App }, 0, CancellationToken.None);
        for (var first = 0; first < Users; first += Batch)
        {
            _openings = [.. Enumerable.Range(first, Batch).Select(user => new OpenRequest(Key(user), default, default))];
            await _store.Mailboxes.OpenAsync(_openings, CancellationToken.None);
        }
        var reply = await AppendAsync([.. Enumerable.Range(0, 20).Select(_ => Draft("reader"))]);
        _read = new ReadRequest(new UserKey(App, "reader"), reply.Results[0].Epoch, 1, 20, 64 * 1024);
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        await _store.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(OperationsPerInvoke = Batch, Description = "append and ack, batches of 1,000")]
    public Task AppendBatch() => AppendAndAckAsync(Batch);

    [Benchmark(OperationsPerInvoke = Writers, Description = "append and ack, 64 writers of one message")]
    public Task AppendSingles() => Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => AppendAndAckAsync(1)));

    [Benchmark(OperationsPerInvoke = Batch, Description = "open known users")]
    public ValueTask<IReadOnlyList<OpenReply>> OpenKnown() => _store.Mailboxes.OpenAsync(_openings, CancellationToken.None);

    [Benchmark(OperationsPerInvoke = 20, Description = "read recent messages")]
    public ValueTask<ReadReply> ReadRecent() => _store.Mailboxes.ReadAsync(_read, CancellationToken.None);

    private async Task AppendAndAckAsync(int count)
    {
        var drafts = new MessageDraft[count];
        lock (_random)
        {
            for (var i = 0; i < count; i++)
                drafts[i] = Draft($"user{_random.Next(Users)}");
        }
        var reply = await AppendAsync(drafts);
        await _store.Mailboxes.AckAsync(
            [.. reply.Results.Select((result, i) => new AckEntry(new UserKey(App, drafts[i].User), StreamKind.Mailbox, result.Epoch, result.Seq))],
            CancellationToken.None);
    }

    private async Task<AppendReply> AppendAsync(MessageDraft[] drafts)
    {
        var reply = await _store.Mailboxes.AppendAsync(new AppendRequest(App, Durability.Durable, drafts, null), CancellationToken.None);
        return reply.Status == WriteStatus.Stored ? reply : throw new InvalidOperationException($"The store answered {reply.Status}.");
    }

    private MessageDraft Draft(string user) => new(user, PayloadKind.Binary, _payload, null);

    private static UserKey Key(int user) => new(App, $"user{user}");
}
