using System.Globalization;
using System.Text;
using StackExchange.Redis;

namespace PushSystem.Saver.Redis;

/// <summary>
/// The redis keys of one partition; all carry its number as hash tag, so that one script may touch all of them and a redis cluster keeps
/// them together. Pure.
/// <code>
/// {p}meta        hash: token, owner, fence, epoch, jseq, dataId, full, buckets
/// {p}j           stream of PackedJournal, id = jseq: what has not landed yet
/// {p}b[n]        hash: PackedUser -> PackedState; n is a hash of the user modulo meta.buckets
/// {p}m[user]     list of PackedMessage: the waiting messages of a user, absent when there are none
/// {p}i[key]      PackedClaim of an idempotency key; {p}r[key] what this partition answered under it
/// {p}u           hash: app -> users that were ever bound
/// </code>
/// </summary>
internal sealed class PartitionKeys(int partition)
{
    private readonly byte[] _tag = Encoding.ASCII.GetBytes($"{{{partition}}}");

    public RedisKey Meta { get; } = $"{{{partition}}}meta";
    public RedisKey Journal { get; } = $"{{{partition}}}j";
    public RedisKey KnownUsers { get; } = $"{{{partition}}}u";

    public RedisKey Bucket(int number) => $"{{{partition.ToString(CultureInfo.InvariantCulture)}}}b{number.ToString(CultureInfo.InvariantCulture)}";

    public RedisKey Messages(byte[] user) => Tagged((byte)'m', user);

    public RedisKey Claim(string app, string key) => Tagged((byte)'i', Encoding.UTF8.GetBytes($"{app}\0{key}"));

    public RedisKey Answer(string app, string key) => Tagged((byte)'r', Encoding.UTF8.GetBytes($"{app}\0{key}"));

    private RedisKey Tagged(byte kind, byte[] rest)
    {
        var key = new byte[_tag.Length + 1 + rest.Length];
        _tag.CopyTo(key, 0);
        key[_tag.Length] = kind;
        rest.CopyTo(key, _tag.Length + 1);
        return key;
    }
}
