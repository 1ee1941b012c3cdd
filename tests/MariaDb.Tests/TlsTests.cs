using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PushSystem.TestSupport.Servers;

namespace PushSystem.MariaDb.Tests;

public sealed class TlsTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("push-tls-").FullName;
    private MariaDbServer _server = null!;

    private string Authority => Path.Combine(_folder, "ca.pem");

    private string Foreign => Path.Combine(_folder, "foreign.pem");

    public async ValueTask InitializeAsync()
    {
        using var key = RSA.Create(2048);
        using var authority = NewAuthority("CN=push test authority", key);
        await File.WriteAllTextAsync(Authority, authority.ExportCertificatePem());
        using var otherKey = RSA.Create(2048);
        using var other = NewAuthority("CN=another authority", otherKey);
        await File.WriteAllTextAsync(Foreign, other.ExportCertificatePem());
        using var serverKey = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", serverKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, authority.NotBefore, authority.NotAfter, [1, 2, 3, 4]);
        await File.WriteAllTextAsync(Path.Combine(_folder, "server.pem"), certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(_folder, "server.key"), serverKey.ExportPkcs8PrivateKeyPem());
        _server = await MariaDbServer.StartAsync(
            $"--ssl-ca={Authority}", $"--ssl-cert={Path.Combine(_folder, "server.pem")}", $"--ssl-key={Path.Combine(_folder, "server.key")}");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_connection_is_encrypted_as_asked_and_the_servers_certificate_is_checked()
    {
        Assert.Equal("", await CipherAsync("SslMode=None"));
        Assert.NotEqual("", await CipherAsync(""));
        Assert.NotEqual("", await CipherAsync("SslMode=Required"));
        Assert.NotEqual("", await CipherAsync($"SslMode=VerifyFull;SslCa={Authority}"));
        Assert.NotEqual("", await CipherAsync($"SslMode=VerifyFull;SslCa={Authority};Server=localhost"));
        var error = await Assert.ThrowsAsync<MariaDbException>(() => CipherAsync($"SslMode=VerifyFull;SslCa={Foreign}"));
        Assert.Equal(2026, error.Number);
    }

    [Fact]
    public async Task A_killed_connection_with_encryption_is_noticed_too()
    {
        await using var source = new MariaDbDataSource(_server.ConnectionString() + $";SslMode=VerifyFull;SslCa={Authority}");
        await using (var connection = await source.OpenConnectionAsync())
        {
            await using var command = connection.Command("SELECT SLEEP(60)");
            command.CommandTimeout = 1;
            await Assert.ThrowsAsync<MariaDbException>(() => command.ExecuteScalarAsync().WaitAsync(TimeSpan.FromSeconds(10)));
        }
        await using var again = await source.OpenConnectionAsync();
        var text = new string('x', 1_000_000);
        Assert.Equal(text, await again.ScalarAsync("SELECT @t", ("t", text)));
    }

    [Fact]
    public async Task Encryption_that_was_demanded_is_not_given_up_when_the_server_has_none()
    {
        await using var plain = await MariaDbServer.StartAsync("--skip-ssl");
        await using var preferred = new MariaDbConnection(plain.ConnectionString());
        await preferred.OpenAsync();
        Assert.Equal("", preferred.TlsCipher);
        await using var required = new MariaDbConnection(plain.ConnectionString() + ";SslMode=Required");

        Assert.Equal(2026, (await Assert.ThrowsAsync<MariaDbException>(() => required.OpenAsync())).Number);
    }

    private async Task<string> CipherAsync(string options)
    {
        await using var connection = new MariaDbConnection(_server.ConnectionString() + ";Pooling=false;" + options);
        await connection.OpenAsync();
        return connection.TlsCipher;
    }

    private static X509Certificate2 NewAuthority(string name, RSA key)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
