using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PushSystem.Redis.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Redis.Tests;

/// <summary>TLS with an authority of one's own.</summary>
public sealed class RedisTlsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("push-tls-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Only_a_server_with_a_certificate_of_the_given_authority_is_trusted()
    {
        var certificates = Make("good", "localhost");
        var others = Make("other", "localhost");
        var port = FreePorts.Take(1)[0];
        await using var redis = await RedisServer.StartAsync(
            "--tls-port", $"{port}", "--tls-cert-file", certificates.Certificate, "--tls-key-file", certificates.Key,
            "--tls-ca-cert-file", certificates.Authority, "--tls-auth-clients", "no");
        void Tls(RedisOptions options, string authority, string host)
        {
            options.Tls = true;
            options.TlsCaFile = authority;
            options.TlsHost = host;
            options.ConnectTimeout = TimeSpan.FromSeconds(1);
            options.Timeout = TimeSpan.FromSeconds(5);
        }
        await using var good = await Links.OpenAsync($"127.0.0.1:{port}", options =>
        {
            Tls(options, certificates.Authority, "localhost");
            options.ConnectTimeout = TimeSpan.FromSeconds(10);
        });
        await using var stranger = await Links.OpenAsync($"127.0.0.1:{port}", options => Tls(options, others.Authority, "localhost"));
        await using var misnamed = await Links.OpenAsync($"127.0.0.1:{port}", options => Tls(options, certificates.Authority, "elsewhere"));

        Assert.Equal("1", await good.RunAsync(Links.Set, "key", "x"));
        await Assert.ThrowsAsync<RedisUnavailableException>(() => stranger.RunAsync(Links.Get, "key"));
        await Assert.ThrowsAsync<RedisUnavailableException>(() => misnamed.RunAsync(Links.Get, "key"));
    }

    private (string Authority, string Certificate, string Key) Make(string name, string host)
    {
        var now = TimeProvider.System.GetUtcNow();
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest($"CN={name}", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var authority = authorityRequest.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, now.AddDays(-1), now.AddHours(1), RandomNumberGenerator.GetBytes(8));
        return (Write($"{name}.ca", authority.ExportCertificatePem()), Write($"{name}.crt", certificate.ExportCertificatePem()),
            Write($"{name}.key", key.ExportPkcs8PrivateKeyPem()));
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
