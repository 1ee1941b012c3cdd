using StackExchange.Redis;

namespace PushSystem.Register.Redis;

/// <summary>Keys and values of one script on one part; each key is named once and by its number from then on. One thread.</summary>
internal sealed class ScriptArguments(RegisterKeys keys, params RedisKey[] first)
{
    private readonly List<RedisKey> _keys = [.. first];
    private readonly List<RedisValue> _values = [];
    private readonly Dictionary<int, int> _buckets = [];
    private readonly Dictionary<string, int> _apps = [];

    public RedisKey[] Keys => [.. _keys];

    public RedisValue[] Values => [.. _values];

    public void Add(RedisValue value) => _values.Add(value);

    public void AddBucket(int bucket) => _values.Add(Number(_buckets, bucket, static (keys, bucket) => keys.Buckets[bucket]));

    public void AddApp(string app) => _values.Add(Number(_apps, app, static (keys, app) => keys.App(app)));

    private int Number<T>(Dictionary<T, int> numbers, T name, Func<RegisterKeys, T, RedisKey> key)
        where T : notnull
    {
        if (numbers.TryGetValue(name, out var number))
            return number;
        _keys.Add(key(keys, name));
        numbers.Add(name, _keys.Count);
        return _keys.Count;
    }
}
