using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PushSystem.Rpc.Tests.Proto;
using PushSystem.Rpc.Tests.Support;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests;

/// <summary>Links in TLS, whose certificate is bound into the handshake.</summary>
public sealed class TlsTests
{
    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(130));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    private static RpcTlsOptions Trusting(params X509Certificate2[] issuers) => new() { TrustedIssuers = [.. issuers] };

    [Fact]
    public async Task Calls_of_any_size_go_through_tls()
    {
        using var certificate = Certificate("server");
        await using var pair = await NodePair.StartAsync(
            client: options => options.Tls = Trusting(), server: options => options.Tls = new RpcTlsOptions { Certificate = certificate });
        await Waiting.For(Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            var reply = await pair.EchoAsync(new Echo { Number = i, Payload = Google.Protobuf.ByteString.CopyFrom(new byte[i * 300]) });
            Assert.Equal((i, i * 300), ((int)reply.Number, reply.Payload.Length));
        })), "300 calls in TLS");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_certificate_must_lead_to_a_trusted_issuer_if_there_are_any(bool trusted)
    {
        using var certificate = Certificate("server");
        using var other = Certificate("other");
        await using var pair = await NodePair.StartAsync(
            client: options => options.Tls = Trusting(trusted ? certificate : other), server: options => options.Tls = new RpcTlsOptions { Certificate = certificate });
        if (trusted)
            Assert.Equal(1, (await pair.EchoAsync(new Echo { Number = 1 })).Number);
        else
            Assert.Equal(RpcStatus.Unreachable, (await Assert.ThrowsAsync<RpcException>(async () => await pair.EchoAsync(new Echo()))).Status);
    }

    [Fact]
    public async Task A_man_in_the_middle_with_a_certificate_of_his_own_gets_no_link()
    {
        using var certificate = Certificate("server");
        using var his = Certificate("server");
        await using var pair = await NodePair.StartAsync(
            client: options => options.Tls = Trusting(), server: options => options.Tls = new RpcTlsOptions { Certificate = certificate });
        using var listener = ScriptedPeer.Listen();
        var middle = Task.Run(async () =>
        {
            using var client = await listener.AcceptAsync();
            await using var left = new SslStream(new System.Net.Sockets.NetworkStream(client));
            await left.AuthenticateAsServerAsync(his);
            using var server = new System.Net.Sockets.TcpClient("127.0.0.1", pair.Server.EndPoint.Port);
            await using var right = new SslStream(server.GetStream(), false, static (_, _, _, _) => true);
            await right.AuthenticateAsClientAsync("server");
            await Task.WhenAny(left.CopyToAsync(right), right.CopyToAsync(left));
        });
        var address = pair.Address with { Port = ScriptedPeer.PortOf(listener) };
        var failure = await Assert.ThrowsAsync<RpcException>(
            () => Waiting.For(pair.Links.To(address).CallAsync(TestMethods.Echo, new Echo(), NodePair.Long, CancellationToken.None).AsTask(), "the refusal"));
        Assert.Contains("the cluster key is not accepted", failure.Message, StringComparison.Ordinal);
        await Waiting.For(middle, "the man in the middle");
        Assert.Equal(0, pair.Server.Links);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Both_sides_must_agree_on_tls(bool client)
    {
        using var certificate = Certificate("server");
        await using var pair = await NodePair.StartAsync(
            client: options => (options.Tls, options.ConnectTimeout) = (client ? Trusting() : null, TimeSpan.FromSeconds(1)),
            server: options => options.Tls = client ? null : new RpcTlsOptions { Certificate = certificate });
        var failure = await Assert.ThrowsAsync<RpcException>(async () => await pair.EchoAsync(new Echo()));
        Assert.Equal(RpcStatus.Unreachable, failure.Status);
    }

    [Fact]
    public void A_server_needs_a_certificate_with_its_key()
    {
        var options = NodePair.Options("server");
        options.Tls = new RpcTlsOptions();
        var failure = Assert.Throws<ArgumentException>(() => new RpcServer(options, new RpcMethods(), Microsoft.Extensions.Logging.Abstractions.NullLogger<RpcServer>.Instance));
        Assert.Contains("Rpc:Tls:Certificate", failure.Message, StringComparison.Ordinal);
    }
}
