using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Contracts;

namespace PushSystem.Saver.Tests.Redis;

// The suites over one redis, over a Redis Cluster, and once with next to nothing in memory, because that path is otherwise seldom taken.

[Collection("mailboxes over redis")]
public sealed class RedisMailboxAppendTests(RedisServers servers) : MailboxAppendContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await RedisStoreUnderTest.OpenAsync(servers, 4);
}

[Collection("mailboxes over redis")]
public sealed class RedisMailboxDeliveryTests(RedisServers servers) : MailboxDeliveryContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await RedisStoreUnderTest.OpenAsync(servers, 4);
}

[Collection("mailboxes over redis")]
public sealed class RedisMailboxAppendWithoutMemoryTests(RedisServers servers) : MailboxAppendContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await RedisStoreUnderTest.OpenAsync(servers, 1, Forgetful);

    internal static void Forgetful(ClusterSaverOptions options) =>
        (options.CachedMailboxes, options.LandingBytes, options.BatchOperations, options.AckBatch, options.Buckets) = (1, 0, 2, 1, 1);
}

[Collection("mailboxes over redis")]
public sealed class RedisMailboxDeliveryWithoutMemoryTests(RedisServers servers) : MailboxDeliveryContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() =>
        await RedisStoreUnderTest.OpenAsync(servers, 1, RedisMailboxAppendWithoutMemoryTests.Forgetful);
}

[Collection("mailboxes over a redis cluster")]
public sealed class RedisClusterMailboxAppendTests(RedisClusterServers servers) : MailboxAppendContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await RedisStoreUnderTest.OpenAsync(servers, 16);
}

[Collection("mailboxes over a redis cluster")]
public sealed class RedisClusterMailboxDeliveryTests(RedisClusterServers servers) : MailboxDeliveryContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await RedisStoreUnderTest.OpenAsync(servers, 16);
}
