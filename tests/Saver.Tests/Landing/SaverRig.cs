using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Redis;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Landing;

/// <summary>Savers over the same servers with the real clock, and short forms of what the fault tests do with them.</summary>
internal sealed class SaverRig(MailboxServers servers, int partitions) : IAsyncDisposable
{
    public const string App = "shop";

    private readonly List<Saver> _savers = [];

    public FakeApps Apps { get; } = new();

    public static async Task<SaverRig> StartAsync(MailboxServers servers, int partitions = 4)
    {
        await servers.EmptyAsync();
        var rig = new SaverRig(servers, partitions);
        await rig.Apps.SaveAsync(new AppRecord { Id = App, Limits = new AppLimits { MailboxMessages = 100_000 } }, 0, default);
        return rig;
    }

    public async Task<Saver> AddAsync(Action<ClusterSaverOptions>? configure = null, Action<RedisOptions>? redis = null)
    {
        var options = new ClusterSaverOptions
        {
            Buckets = 16,
            LandingLinger = TimeSpan.FromMilliseconds(50),
            LandingRetry = TimeSpan.FromMilliseconds(100),
            AdoptInterval = TimeSpan.FromMilliseconds(500),
            DurableTimeout = TimeSpan.FromSeconds(20),
            OperationTimeout = TimeSpan.FromSeconds(20),
        };
        configure?.Invoke(options);
        var link = await servers.LinkAsync(redis);
        var mailboxes = new RedisMailboxes(
            link, servers.Source, Apps, new FakeBroadcastView(), partitions, $"saver-{_savers.Count}", options, TimeProvider.System,
            NullLoggerFactory.Instance);
        await mailboxes.StartAsync(CancellationToken.None);
        var saver = new Saver(mailboxes, link);
        _savers.Add(saver);
        return saver;
    }

    public static UserKey Key(string user) => new(App, user);

    public async ValueTask DisposeAsync()
    {
        foreach (var saver in _savers)
            await saver.AbandonAsync();
    }
}

/// <summary>One saver of the rig.</summary>
internal sealed class Saver(RedisMailboxes mailboxes, RedisLink link)
{
    private bool _ended;

    public RedisMailboxes Mailboxes => mailboxes;

    public RedisLink Link => link;

    /// <summary>Appends texts to one user.</summary>
    public async Task<IReadOnlyList<AppendResult>> SendAsync(string user, Durability level, params string[] texts)
    {
        var reply = await mailboxes.AppendAsync(Request(user, level, texts), CancellationToken.None);
        Assert.Equal(WriteStatus.Stored, reply.Status);
        return reply.Results;
    }

    public static AppendRequest Request(string user, Durability level, params string[] texts) => new(
        SaverRig.App, level, [.. texts.Select(text => new MessageDraft(user, PayloadKind.Text, System.Text.Encoding.UTF8.GetBytes(text), null))], null);

    /// <summary>Repeats until the store works: for the time after a server came back.</summary>
    public static async Task<T> UntilItWorksAsync<T>(Func<Task<T>> call, string phase)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (StoreUnavailableException) when (TimeProvider.System.GetElapsedTime(started) < Waiting.Limit)
            {
                await Task.Delay(20);
            }
            catch (StoreUnavailableException exception)
            {
                throw new TimeoutException($"'{phase}' did not work within {Waiting.Limit}", exception);
            }
        }
    }

    public async Task<StreamOpening> OpenAsync(string user, uint epoch = 0, long seq = 0) => (await UntilItWorksAsync(
        async () => await mailboxes.OpenAsync([new OpenRequest(SaverRig.Key(user), new StreamPosition(epoch, seq), default)], default), "open"))[0].Mailbox;

    public async Task<StreamPosition> PositionAsync(string user) =>
        (await UntilItWorksAsync(async () => await mailboxes.PositionsAsync([SaverRig.Key(user)], default), "positions"))[0];

    public async Task AckAsync(string user, uint epoch, long seq)
    {
        await mailboxes.AckAsync([new AckEntry(SaverRig.Key(user), StreamKind.Mailbox, epoch, seq)], default);
        await UntilItWorksAsync(async () => await mailboxes.SummaryAsync(SaverRig.Key(user), default), "ack");
    }

    /// <summary>Everything behind a position as "seq:text" and "seq!Reason".</summary>
    public async Task<List<string>> ReadAsync(string user, long from = 1)
    {
        var lines = new List<string>();
        while (true)
        {
            var position = await PositionAsync(user);
            var reply = await UntilItWorksAsync(
                async () => await mailboxes.ReadAsync(new ReadRequest(SaverRig.Key(user), position.Epoch, from, 500, 1 << 20), default), "read");
            if (reply.Epoch != position.Epoch)
                continue;
            lines.AddRange(reply.Entries.Select(entry => entry.Gap == ResetReason.None
                ? $"{entry.Seq}:{System.Text.Encoding.UTF8.GetString(entry.Payload.Span)}"
                : $"{entry.Seq}!{entry.Gap}"));
            if (reply.Entries.Count == 0 || (from = reply.Entries[^1].Seq + 1) > reply.Top)
                return lines;
        }
    }

    /// <summary>Waits until nothing is left to land.</summary>
    public Task LandedAsync() => Waiting.Until(
        () => mailboxes.LagRows == 0 && mailboxes.Partitions.All(partition => partition.Landing.OldestAt is null), "everything has landed");

    /// <summary>Waits until every partition that this saver owns is filled.</summary>
    public Task FilledAsync() => Waiting.Until(
        () => mailboxes.Partitions.All(partition => !partition.Owner.IsOwned || partition.Owner.IsFull), "the partitions are filled");

    /// <summary>Ends as the death of the process would: nothing is finished, nothing lands.</summary>
    public async Task AbandonAsync()
    {
        if (_ended)
            return;
        _ended = true;
        await mailboxes.AbandonAsync();
        await link.DisposeAsync();
    }
}
