using PushSystem.Saver.Tests.Contracts;

namespace PushSystem.Saver.Tests.Sql;

// The suites run over SQLite as it is configured by default, and once with everything in the table of waiting messages and next to
// nothing cached, because that path is otherwise seldom taken.

public sealed class SqlMailboxAppendTests : MailboxAppendContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync();
}

public sealed class SqlMailboxDeliveryTests : MailboxDeliveryContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync();
}

public sealed class SqlBroadcastLogTests : BroadcastLogContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync();
}

public sealed class SqlEventQueueTests : EventQueueContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync();
}

public sealed class SqlSmallStoresTests : SmallStoresContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync();
}

public sealed class SqlAppDirectoryTests : AppDirectoryContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync();
}

public sealed class SqlWorkClaimsTests : WorkClaimsContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync(diesToReopen: true);
}

public sealed class SqlMulticastsTests : MulticastsContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync(diesToReopen: true);
}

public sealed class SqlMailboxAppendWithoutMemoryTests : MailboxAppendContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync(Forgetful.Configure);
}

public sealed class SqlMailboxDeliveryWithoutMemoryTests : MailboxDeliveryContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync(Forgetful.Configure);
}

public sealed class SqlBroadcastLogWithoutMemoryTests : BroadcastLogContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await SqlStoreUnderTest.OpenAsync(Forgetful.Configure);
}

internal static class Forgetful
{
    public static void Configure(SaverOptions options)
    {
        options.JournalBytes = 0;
        options.CachedMailboxes = 1;
        options.BroadcastCacheBytes = 0;
        options.CheckpointBytes = 64 * 1024;
        options.AckFlushCount = 1;
    }
}
