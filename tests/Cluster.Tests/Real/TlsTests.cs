using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PushSystem.Cluster.Etcd;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>TLS with certificates of an authority made here, in both directions.</summary>
public sealed class TlsTests : IDisposable
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly string _folder = Directory.CreateTempSubdirectory("push-tls-").FullName;

    [Fact]
    public async Task Etcd_is_trusted_by_the_configured_authority_and_trusts_the_configured_certificate()
    {
        using var authority = Authority("authority");
        using var stranger = Authority("stranger");
        Issue(authority, "server", isServer: true);
        Issue(authority, "node", isServer: false);
        var port = FreePorts.Take(1)[0];
        var endpoint = $"https://127.0.0.1:{port}";
        await using var etcd = await EtcdServer.StartAsync(
            "--listen-client-urls", endpoint, "--advertise-client-urls", endpoint, "--cert-file", PathOf("server.pem"), "--key-file", PathOf("server.key"),
            "--client-cert-auth", "--trusted-ca-file", PathOf("authority.pem"));
        await using var world = new RealWorld(endpoint);
        var client = world.Client(change: options =>
            (options.CaFile, options.CertificateFile, options.KeyFile) = (PathOf("authority.pem"), PathOf("node.pem"), PathOf("node.key")));
        var mirror = world.Owned(client.Mirror("/a/"));
        await Waiting.For(mirror.Ready, "the first list");
        await RealWorld.Put(client, "/a/1", "x");
        await RealWorld.When(mirror, snapshot => snapshot.Entries.Count == 1, "the event");

        var distrusting = world.Client(change: options =>
            (options.CaFile, options.CertificateFile, options.KeyFile) = (PathOf("stranger.pem"), PathOf("node.pem"), PathOf("node.key")));
        Assert.Contains("SSL", (await Assert.ThrowsAsync<EtcdException>(async () => await distrusting.GetAsync("/a/1", Never))).Message);
        var nameless = world.Client(change: options => options.CaFile = PathOf("authority.pem"));
        Assert.False((await Assert.ThrowsAsync<EtcdException>(async () => await nameless.GetAsync("/a/1", Never))).IsRefused);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string file) => Path.Combine(_folder, file);

    private X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(PathOf(name + ".pem"), certificate.ExportCertificatePem());
        return certificate;
    }

    private void Issue(X509Certificate2 authority, string name, bool isServer)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        // etcd's gateway is a client of its own server and shows the server's certificate to it.
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        if (isServer)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
        }
        using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(PathOf(name + ".pem"), certificate.ExportCertificatePem());
        File.WriteAllText(PathOf(name + ".key"), key.ExportPkcs8PrivateKeyPem());
    }
}
