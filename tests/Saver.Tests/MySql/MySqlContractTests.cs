using PushSystem.Saver.Tests.Contracts;

namespace PushSystem.Saver.Tests.MySql;

[Collection("mysql")]
public sealed class MySqlBroadcastLogTests(MySqlServers servers) : BroadcastLogContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await MySqlStoreUnderTest.OpenAsync(servers);
}

[Collection("mysql")]
public sealed class MySqlEventQueueTests(MySqlServers servers) : EventQueueContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await MySqlStoreUnderTest.OpenAsync(servers);
}

[Collection("mysql")]
public sealed class MySqlSmallStoresTests(MySqlServers servers) : SmallStoresContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await MySqlStoreUnderTest.OpenAsync(servers);
}

[Collection("mysql")]
public sealed class MySqlWorkClaimsTests(MySqlServers servers) : WorkClaimsContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await MySqlStoreUnderTest.OpenAsync(servers);
}

[Collection("mysql")]
public sealed class MySqlMulticastsTests(MySqlServers servers) : MulticastsContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await MySqlStoreUnderTest.OpenAsync(servers);
}
