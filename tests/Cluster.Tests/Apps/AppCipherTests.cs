using System.Security.Cryptography;
using System.Text;
using PushSystem.Cluster.Apps;
using PushSystem.Cluster.Tests.Configuration;

namespace PushSystem.Cluster.Tests.Apps;

public sealed class AppCipherTests
{
    internal static readonly byte[] OldKey = Encoding.ASCII.GetBytes("an-old-cluster-key-for-tests-0001");
    internal static readonly byte[] NewKey = Encoding.ASCII.GetBytes("a-new-cluster-key-for-tests-00002");

    [Fact]
    public void What_is_sealed_opens_for_the_same_app_only()
    {
        using var cipher = new AppCipher([NewKey]);
        var value = cipher.Seal("shop", "secret"u8);
        Assert.Equal("secret"u8.ToArray(), cipher.Open("shop", value));
        Assert.Equal(-1, value.AsSpan().IndexOf("secret"u8));
        Assert.ThrowsAny<CryptographicException>(() => cipher.Open("shop2", value));
        Assert.NotEqual(value, cipher.Seal("shop", "secret"u8));
    }

    [Fact]
    public void A_value_changed_anywhere_does_not_open()
    {
        using var cipher = new AppCipher([NewKey, OldKey]);
        var value = cipher.Seal("shop", "secret"u8);
        for (var i = 0; i < value.Length; i++)
        {
            var changed = (byte[])value.Clone();
            changed[i] ^= 1;
            Assert.ThrowsAny<CryptographicException>(() => cipher.Open("shop", changed));
            Assert.ThrowsAny<CryptographicException>(() => cipher.Open("shop", value.AsSpan(0, i)));
        }
    }

    [Fact]
    public void The_key_before_opens_and_never_seals()
    {
        using var old = new AppCipher([OldKey]);
        using var both = new AppCipher([NewKey, OldKey]);
        using var current = new AppCipher([NewKey]);
        var value = old.Seal("shop", "secret"u8);
        Assert.Equal("secret"u8.ToArray(), both.Open("shop", value));
        Assert.False(both.IsCurrent(value));
        Assert.Contains("does not have", Assert.ThrowsAny<CryptographicException>(() => current.Open("shop", value)).Message, StringComparison.Ordinal);
        var sealedAnew = both.Seal("shop", "secret"u8);
        Assert.True(both.IsCurrent(sealedAnew));
        Assert.Equal("secret"u8.ToArray(), current.Open("shop", sealedAnew));
    }

    [Theory]
    [InlineData("", "holds 0 cluster keys")]
    [InlineData("# only a comment\n\n", "holds 0 cluster keys")]
    [InlineData("too-short", "line 1: a cluster key has 32 to 1024")]
    [InlineData("# first\na-cluster-key-with spaces-inside-is-refused", "line 2")]
    [InlineData("a-cluster-key-of-enough-characters-1\na-cluster-key-of-enough-characters-2\na-cluster-key-of-enough-characters-3", "holds 3 cluster keys")]
    public void A_key_file_that_cannot_be_meant_is_refused(string text, string expected)
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("key"), text);
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => ClusterKeyFile.Read(folder.File("key"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_file_holds_the_current_key_and_perhaps_the_one_before()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("key"), "# current\n" + Encoding.ASCII.GetString(NewKey) + "\r\n\n" + Encoding.ASCII.GetString(OldKey));
        Assert.Equal([NewKey, OldKey], ClusterKeyFile.Read(folder.File("key")));
    }
}
