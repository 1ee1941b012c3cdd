using System.Net;
using Microsoft.AspNetCore.Http;
using PushSystem.Dispatcher.Networks;
using Xunit;

namespace PushSystem.Dispatcher.Tests;

public sealed class NetworkTableTests
{
    [Fact]
    public void The_longest_prefix_counts()
    {
        var table = Table("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.255.0.0/16");
        Assert.Equal(0, Find(table, "10.0.0.0"));
        Assert.Equal(0, Find(table, "10.2.0.0"));
        Assert.Equal(1, Find(table, "10.1.0.1"));
        Assert.Equal(1, Find(table, "10.1.3.0"));
        Assert.Equal(2, Find(table, "10.1.2.2"));
        Assert.Equal(3, Find(table, "10.1.2.3"));
        Assert.Equal(2, Find(table, "10.1.2.4"));
        Assert.Equal(4, Find(table, "10.255.255.255"));
        Assert.Equal(NetworkTable.None, Find(table, "11.0.0.0"));
        Assert.Equal(NetworkTable.None, Find(table, "9.255.255.255"));
        Assert.Equal(NetworkTable.None, Find(table, "::a01:203"));
    }

    [Fact]
    public void The_ends_of_the_address_space_are_no_special_case()
    {
        var table = Table("0.0.0.0/0", "255.255.255.255/32", "0.0.0.0/32", "128.0.0.0/1", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "::/128");
        Assert.Equal(2, Find(table, "0.0.0.0"));
        Assert.Equal(0, Find(table, "0.0.0.1"));
        Assert.Equal(0, Find(table, "127.255.255.255"));
        Assert.Equal(3, Find(table, "128.0.0.0"));
        Assert.Equal(3, Find(table, "255.255.255.254"));
        Assert.Equal(1, Find(table, "255.255.255.255"));
        Assert.Equal(6, Find(table, "::"));
        Assert.Equal(4, Find(table, "::1"));
        Assert.Equal(5, Find(table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    }

    [Fact]
    public void Mapped_addresses_are_ipv4() => Assert.Equal(0, Find(Table("192.0.2.0/24"), "::ffff:192.0.2.9"));

    [Fact]
    public void An_empty_table_knows_nothing()
    {
        Assert.True(Table().IsEmpty);
        Assert.Equal(NetworkTable.None, Find(Table(), "192.0.2.1"));
        Assert.Equal(NetworkTable.None, Find(Table(), "2001:db8::1"));
        Assert.False(Table("::/0").IsEmpty);
        Assert.False(Table("0.0.0.0/0").IsEmpty);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_agrees_with_looking_at_every_network(int seed)
    {
        var random = new Random(seed);
        // A small space, so that networks nest and touch often.
        var networks = Enumerable.Range(0, 600).Select(_ => RandomNetwork(random)).Distinct().ToArray();
        var table = new NetworkTable(networks);
        for (var i = 0; i < 20_000; i++)
        {
            var address = RandomAddress(random);
            var expected = Enumerable.Range(0, networks.Length).Where(n => networks[n].Contains(address)).OrderByDescending(n => networks[n].PrefixLength)
                .DefaultIfEmpty(NetworkTable.None).First();
            Assert.True(expected == table.Find(address), $"{address}: {table.Find(address)} instead of {expected}");
        }
    }

    [Fact]
    public void A_hundred_thousand_networks_are_looked_up_without_allocating()
    {
        var networks = Enumerable.Range(0, 50_000).Select(i => new IPNetwork(new IPAddress([(byte)(1 + i / 65_536), (byte)(i / 256), (byte)i, 0]), 24))
            .Concat(Enumerable.Range(0, 50_000).Select(i => new IPNetwork(new IPAddress([0x20, 1, (byte)(i >> 8), (byte)i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 32))).ToArray();
        var table = new NetworkTable(networks);
        var addresses = networks.Select(network => network.BaseAddress).ToArray();
        table.Find(addresses[0]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var wrong = 0;
        for (var i = 0; i < addresses.Length; i++)
            wrong += table.Find(addresses[i]) == i ? 0 : 1;
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(0, wrong);
    }

    [Theory]
    [InlineData("10.0.0.1", "", "10.0.0.1")]
    [InlineData("10.0.0.1", "192.0.2.7", "192.0.2.7")]
    [InlineData("10.0.0.1", "192.0.2.7, 198.51.100.9", "198.51.100.9")]
    [InlineData("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7")]
    [InlineData("10.0.0.1", "192.0.2.7,10.0.0.2 , 10.0.0.3", "192.0.2.7")]
    [InlineData("10.0.0.1", "10.0.0.2,10.0.0.3", "10.0.0.2")]
    [InlineData("10.0.0.1", "192.0.2.7:1234", "192.0.2.7")]
    [InlineData("10.0.0.1", "[2001:db8::1]:1234", "2001:db8::1")]
    [InlineData("10.0.0.1", "2001:db8::1", "2001:db8::1")]
    [InlineData("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7")]
    // What no proxy writes: the last one that was known counts.
    [InlineData("10.0.0.1", "unknown", "10.0.0.1")]
    [InlineData("10.0.0.1", "192.0.2.7, <script>, 10.0.0.2", "10.0.0.2")]
    [InlineData("10.0.0.1", ",", "10.0.0.1")]
    [InlineData("10.0.0.1", "192.0.2.7,", "10.0.0.1")]
    // Not from a proxy of ours: whatever it says is not looked at.
    [InlineData("192.0.2.1", "10.0.0.9", "192.0.2.1")]
    public void The_forwarded_address_counts_only_as_far_as_our_proxies_wrote_it(string connection, string forwarded, string expected)
    {
        var http = new DefaultHttpContext();
        http.Connection.RemoteIpAddress = IPAddress.Parse(connection);
        if (forwarded.Length > 0)
            http.Request.Headers["X-Forwarded-For"] = forwarded;
        Assert.Equal(IPAddress.Parse(expected), ClientAddress.Of(http, Table("10.0.0.0/8")));
    }

    [Fact]
    public void Several_headers_are_one_list_and_a_long_one_ends_somewhere()
    {
        var http = new DefaultHttpContext();
        http.Connection.RemoteIpAddress = IPAddress.Parse("10.0.0.1");
        http.Request.Headers["X-Forwarded-For"] = new([ "192.0.2.7", "198.51.100.9, 10.0.0.2" ]);
        Assert.Equal(IPAddress.Parse("198.51.100.9"), ClientAddress.Of(http, Table("10.0.0.0/8")));
        http.Request.Headers["X-Forwarded-For"] = "192.0.2.7," + string.Join(',', Enumerable.Repeat("10.0.0.2", 1_000));
        Assert.Equal(IPAddress.Parse("10.0.0.2"), ClientAddress.Of(http, Table("10.0.0.0/8")));
        http.Connection.RemoteIpAddress = null;
        Assert.Null(ClientAddress.Of(http, Table("10.0.0.0/8")));
    }

    private static NetworkTable Table(params string[] networks) => new([.. networks.Select(IPNetwork.Parse)]);

    private static int Find(NetworkTable table, string address) => table.Find(IPAddress.Parse(address));

    private static IPAddress RandomAddress(Random random) => random.Next(2) == 0
        ? new IPAddress([10, (byte)random.Next(2), (byte)random.Next(4), (byte)random.Next(256)])
        : new IPAddress([0x20, 1, 0, 0, 0, 0, 0, (byte)random.Next(2), 0, 0, 0, 0, 0, 0, (byte)random.Next(4), (byte)random.Next(256)]);

    private static IPNetwork RandomNetwork(Random random)
    {
        var bytes = RandomAddress(random).GetAddressBytes();
        var bits = bytes.Length * 8 - random.Next(bytes.Length == 4 ? 18 : 80);
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] &= (byte)(i * 8 + 8 <= bits ? 0xff : i * 8 >= bits ? 0 : 0xff << (8 - (bits - i * 8)));
        return new IPNetwork(new IPAddress(bytes), bits);
    }
}
