using StackExchange.Redis;

namespace PushSystem.Register.Redis;

/// <summary>
/// Names of the keys of one part; all carry the part's number as hash tag, so that a script may touch them together. The layout is in
/// the name: with another number of parts or buckets the registry begins anew, and rooms bind again. Immutable.
/// </summary>
internal sealed class RegisterKeys
{
    private readonly string _prefix;

    public RegisterKeys(RegisterOptions options, int part)
    {
        _prefix = $"{{{part}}}{options.KeyPrefix}.{options.Parts}.{options.BucketsPerPart}";
        Meta = $"{_prefix}.meta";
        Homes = $"{_prefix}.homes";
        Probe = $"{_prefix}.probe";
        Buckets = [.. Enumerable.Range(0, options.BucketsPerPart).Select(bucket => (RedisKey)$"{_prefix}:{bucket}")];
    }

    /// <summary>Hash: e = number of the data, d = id of the server's data, g = last generation, s and t = who sweeps until when.</summary>
    public RedisKey Meta { get; }

    /// <summary>Hash: home (incarnation and room) -> number of entries.</summary>
    public RedisKey Homes { get; }

    /// <summary>A hash that exists for an instant to see how redis keeps hashes.</summary>
    public RedisKey Probe { get; }

    /// <summary>Small hashes: packed user -> packed entry.</summary>
    public RedisKey[] Buckets { get; }

    /// <summary>Hash: home -> number of entries of one app.</summary>
    public RedisKey App(string app) => $"{_prefix}.app.{app}";
}
