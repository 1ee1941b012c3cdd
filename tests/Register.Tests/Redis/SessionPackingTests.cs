using PushSystem.Contracts;
using PushSystem.Register.Redis;

namespace PushSystem.Register.Tests.Redis;

/// <summary>How entries lie in redis.</summary>
public sealed class SessionPackingTests
{
    private static readonly SessionEntry Example = new()
    {
        Key = new UserKey("shop", "ann"),
        Room = "room-1",
        Incarnation = 0x0102,
        Connection = 0x0304,
        Generation = 0x0105_0607_0809,
        Device = "8d3a1d61-0d9c-4a3e-9a3e-2b5f8f6f2f10",
        RemoteAddress = "10.0.0.1:80",
        BoundAt = 0x0A0B_0C0D_0E0F,
    };

    [Fact]
    public void The_bytes_are_these()
    {
        Assert.Equal("0473686F70616E6E", Convert.ToHexString(SessionPacking.Field(Example.Key)));
        Assert.Equal(
            "01" + "00010506070809" + "09" + "020102" + "726F6F6D2D31" + "02" + "0403" + "0A0B0C0D0E0F"
            + "FF" + "8D3A1D610D9C4A3E9A3E2B5F8F6F2F10" + "FE" + "0A000001" + "0050",
            Convert.ToHexString(SessionPacking.Value(Example)));
        Assert.StartsWith(Convert.ToHexString(SessionPacking.Owner(Example)), Convert.ToHexString(SessionPacking.Tail(Example)));
    }

    [Fact]
    public void A_value_that_is_cut_or_longer_is_no_entry()
    {
        var value = SessionPacking.Value(Example);
        Assert.True(SessionPacking.TryRead(Example.Key, value, out var entry));
        Assert.Equal(Example, entry);
        for (var length = 0; length < value.Length; length++)
            Assert.False(SessionPacking.TryRead(Example.Key, value.AsSpan(0, length), out _));
        Assert.False(SessionPacking.TryRead(Example.Key, [.. value, 0], out _));
    }

    [Fact]
    public void Any_bytes_are_read_or_refused()
    {
        var random = new Random(1);
        var value = SessionPacking.Value(Example);
        for (var i = 0; i < 200_000; i++)
        {
            var bytes = (byte[])value.Clone();
            for (var change = random.Next(1, 4); change > 0; change--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (SessionPacking.TryRead(Example.Key, bytes, out var entry))
                SessionPacking.Check(entry with { Room = "r", Generation = 0 });
            random.NextBytes(bytes);
            SessionPacking.TryRead(Example.Key, bytes, out _);
            SessionPacking.TryReadField(bytes.AsSpan(0, random.Next(bytes.Length)), out _);
            SessionPacking.TryReadHome(bytes.AsSpan(0, random.Next(bytes.Length)), out _, out _);
        }
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("shop", "")]
    [InlineData("shop", "7b0f7f5c-2f0e-4b0e-8a53-0d5c5e4b7a11")]
    [InlineData("shop", "7B0F7F5C-2F0E-4B0E-8A53-0D5C5E4B7A11")]
    [InlineData("shop", "{7b0f7f5c-2f0e-4b0e-8a53-0d5c5e4b7a11}")]
    [InlineData("shöp", "日本")]
    public void A_user_comes_back(string app, string user)
    {
        Assert.True(SessionPacking.TryReadField(SessionPacking.Field(new UserKey(app, user)), out var key));
        Assert.Equal(new UserKey(app, user), key);
    }

    [Fact]
    public void Wrong_entries_are_refused_with_the_field_and_the_limit()
    {
        Refused("App", "64", Example with { Key = new UserKey(new string('a', 65), "x") });
        Refused("User", "64", Example with { Key = new UserKey("a", new string('ü', 33)) });
        Refused("Room", "1", Example with { Room = "" });
        Refused("Device", "64", Example with { Device = new string('d', 65) });
        Refused("RemoteAddress", "64", Example with { RemoteAddress = new string('d', 65) });
        Refused("Generation", $"{1L << 52}", Example with { Generation = (1L << 52) + 1 });
        Refused("Incarnation", "0", Example with { Incarnation = -1 });
        Refused("BoundAt", "0", Example with { BoundAt = -1 });
        Refused("User", "valid", Example with { Key = new UserKey("a", "\ud800") });
    }

    private static void Refused(string field, string limit, SessionEntry entry)
    {
        var message = Assert.ThrowsAny<ArgumentException>(() => SessionPacking.Check(entry)).Message;
        Assert.Contains(field, message);
        Assert.Contains(limit, message);
    }
}
