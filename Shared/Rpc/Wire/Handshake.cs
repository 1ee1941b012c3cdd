using System.Security.Cryptography;

namespace PushSystem.Rpc.Wire;

/// <summary>What both sides know of each other after the handshake.</summary>
internal readonly record struct Peer(string NodeId, int MaxFrameBytes, int MaxInFlight, long MaxInFlightBytes);

/// <summary>The peer refused the handshake, or is not who it should be.</summary>
internal sealed class HandshakeRefusedException(Refusal refusal, string message) : Exception(message)
{
    public Refusal Refusal { get; } = refusal;
}

/// <summary>
/// The four messages before the frames, for both sides. No state: each call runs one handshake on a fresh connection; the caller sets
/// the time limit and closes the connection when it throws.
/// </summary>
internal static class Handshake
{
    /// <summary>
    /// Opens a link. Throws <see cref="HandshakeRefusedException"/> or <see cref="LinkProtocolException"/> when the peer is another node,
    /// does not hold the key, or refuses.
    /// </summary>
    public static async Task<Peer> ConnectAsync(IWire wire, string expectedNodeId, RpcOptions options, CancellationToken cancellationToken)
    {
        var key = options.ClusterKeys[0];
        var hello = new Hello(HandshakeMessage.Version, HandshakeMessage.Version, options.NodeId, (uint)options.MaxFrameBytes)
            .Write(RandomNumberGenerator.GetBytes(Hello.NonceBytes));
        await wire.SendAsync(hello, cancellationToken);

        var challengeBytes = await HandshakeMessage.ReceiveAsync(wire, cancellationToken);
        var challenge = Challenge.Read(challengeBytes);
        ThrowIfRefused(challenge.Refusal);
        if (challenge.Version != HandshakeMessage.Version)
            throw new LinkProtocolException($"the peer chose version {challenge.Version}, which was not offered");
        if (challenge.NodeId != expectedNodeId)
            throw new HandshakeRefusedException(Refusal.None, $"node '{challenge.NodeId}' answers instead of '{expectedNodeId}'");

        var binding = wire.ChannelBinding;
        var proof = HandshakeMessage.Create(HandshakeMessage.Version, 0, HandshakeProof.MacBytes);
        HandshakeProof.OfClient(key, binding.Span, hello, challengeBytes).CopyTo(proof, HandshakeMessage.HeadBytes);
        await wire.SendAsync(proof, cancellationToken);

        var welcomeBytes = await HandshakeMessage.ReceiveAsync(wire, cancellationToken);
        var welcome = Welcome.Read(welcomeBytes);
        ThrowIfRefused(welcome.Refusal);
        if (!HandshakeProof.Same(HandshakeProof.OfServer(key, binding.Span, hello, challengeBytes, proof, welcomeBytes), welcomeBytes))
            throw new HandshakeRefusedException(Refusal.NotAuthenticated, "the peer does not hold the cluster key");
        return new Peer(
            challenge.NodeId, Clamp(welcome.MaxFrameBytes), Clamp(welcome.MaxInFlight), (long)Math.Min(welcome.MaxInFlightBytes, long.MaxValue));
    }

    /// <summary>
    /// Answers a link that was accepted. <paramref name="refuse"/> is asked when the peer has proved itself. Throws
    /// <see cref="HandshakeRefusedException"/> after telling the peer, or <see cref="LinkProtocolException"/>.
    /// </summary>
    public static async Task<Peer> AcceptAsync(IWire wire, RpcOptions options, Func<string, Refusal> refuse, CancellationToken cancellationToken)
    {
        var helloBytes = await HandshakeMessage.ReceiveAsync(wire, cancellationToken);
        var hello = Hello.Read(helloBytes);
        if (hello.LowestVersion > HandshakeMessage.Version || hello.HighestVersion < HandshakeMessage.Version)
        {
            await wire.SendAsync(Challenge.Refuse(Refusal.Version), cancellationToken);
            throw new HandshakeRefusedException(
                Refusal.Version, $"node offers versions {hello.LowestVersion} to {hello.HighestVersion}; {HandshakeMessage.Version} is spoken here");
        }
        var challenge = new Challenge(HandshakeMessage.Version, Refusal.None, options.NodeId).Write(RandomNumberGenerator.GetBytes(Hello.NonceBytes));
        await wire.SendAsync(challenge, cancellationToken);

        var proof = await HandshakeMessage.ReceiveAsync(wire, cancellationToken);
        var binding = wire.ChannelBinding;
        byte[]? key = null;
        foreach (var candidate in options.ClusterKeys)
        {
            if (HandshakeProof.Same(HandshakeProof.OfClient(candidate, binding.Span, helloBytes, challenge), proof))
                key = candidate;
        }
        var refusal = key is null ? Refusal.NotAuthenticated : refuse(hello.NodeId);
        if (refusal != Refusal.None)
        {
            await wire.SendAsync(Welcome.Refuse(refusal), cancellationToken);
            throw new HandshakeRefusedException(refusal, Text(refusal));
        }
        var welcome = new Welcome(Refusal.None, (uint)options.MaxFrameBytes, (uint)options.MaxInFlight, (ulong)options.MaxInFlightBytes).Write();
        HandshakeProof.OfServer(key!, binding.Span, helloBytes, challenge, proof, welcome).CopyTo(welcome, HandshakeMessage.HeadBytes);
        await wire.SendAsync(welcome, cancellationToken);
        return new Peer(hello.NodeId, Clamp(hello.MaxFrameBytes), options.MaxInFlight, options.MaxInFlightBytes);
    }

    private static int Clamp(uint value) => (int)Math.Clamp(value, NodeFrame.RequestHeaderBytes, int.MaxValue);

    private static void ThrowIfRefused(Refusal refusal)
    {
        if (refusal != Refusal.None)
            throw new HandshakeRefusedException(refusal, $"the peer refuses the link: {Text(refusal)}");
    }

    private static string Text(Refusal refusal) => refusal switch
    {
        Refusal.Version => "no common version",
        Refusal.NotAuthenticated => "the cluster key is not accepted",
        Refusal.Stopping => "it is stopping",
        Refusal.TooManyLinks => "too many links (Rpc:MaxLinks)",
        _ => $"reason {(byte)refusal}",
    };
}
