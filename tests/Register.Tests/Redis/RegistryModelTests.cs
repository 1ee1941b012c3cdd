using PushSystem.Contracts;
using PushSystem.Register.Tests.Support;

namespace PushSystem.Register.Tests.Redis;

/// <summary>Random requests in random batches through two registers, compared with a map.</summary>
public sealed class RegistryModelTests(SingleServer server) : IClassFixture<SingleServer>
{
    private const int Users = 12, Steps = 400;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task The_registry_does_what_a_map_does(int seed)
    {
        var random = new Random(seed);
        var rooms = new FakeRooms();
        rooms.Add("r1", 1);
        rooms.Add("r2", 2);
        await using var registries = new RedisRegistries(server.Redis.EndPoint, rooms, TimeProvider.System);
        ISessionRegistry[] registers = [await registries.OpenAsync(options => options.MaxBatch = 3), await registries.OpenAsync()];
        var model = new Dictionary<UserKey, SessionEntry>();
        var highest = new Dictionary<UserKey, long>();
        for (var step = 0; step < Steps; step++)
        {
            var register = registers[random.Next(2)];
            var entries = Enumerable.Range(0, random.Next(1, 10)).Select(_ => Any(random, model, highest)).ToArray();
            switch (random.Next(4))
            {
                case 0 or 1:
                    var replies = await register.BindAsync(entries, default);
                    for (var i = 0; i < entries.Length; i++)
                        Bind(model, highest, entries[i], replies[i]);
                    break;
                case 2:
                    var removed = await register.UnbindAsync(entries, default);
                    for (var i = 0; i < entries.Length; i++)
                        Assert.Equal(Unbind(model, entries[i]), removed[i]);
                    break;
                default:
                    var keys = Enumerable.Range(0, Users).Select(Key).ToArray();
                    Assert.Equal(keys.Select(model.GetValueOrDefault), await register.LookupAsync(keys, default));
                    foreach (var app in new[] { "a0", "a1" })
                        Assert.Equal(model.Values.Count(entry => entry.Key.App == app && entry.Room != "gone"), await register.CountAsync(app, default));
                    break;
            }
        }
    }

    private static void Bind(Dictionary<UserKey, SessionEntry> model, Dictionary<UserKey, long> highest, SessionEntry entry, BindReply reply)
    {
        var previous = model.GetValueOrDefault(entry.Key);
        if (entry.Generation != 0 && previous is not null && previous.Generation > entry.Generation)
        {
            Assert.Equal(default, reply);
            return;
        }
        Assert.Equal(previous, reply.Previous);
        Assert.True(reply.Generation > Math.Max(entry.Generation, highest.GetValueOrDefault(entry.Key)));
        highest[entry.Key] = reply.Generation;
        model[entry.Key] = entry with { Generation = reply.Generation };
    }

    private static bool Unbind(Dictionary<UserKey, SessionEntry> model, SessionEntry entry) =>
        model.TryGetValue(entry.Key, out var stored) && stored.Room == entry.Room && stored.Incarnation == entry.Incarnation
        && stored.Connection == entry.Connection && (entry.Generation == 0 || entry.Generation == stored.Generation) && model.Remove(entry.Key);

    private static SessionEntry Any(Random random, Dictionary<UserKey, SessionEntry> model, Dictionary<UserKey, long> highest)
    {
        var key = Key(random.Next(Users));
        if (model.TryGetValue(key, out var stored) && random.Next(2) == 0)
            return stored with { Generation = random.Next(2) == 0 ? stored.Generation : 0 };
        return new SessionEntry
        {
            Key = key,
            Room = random.Next(3) == 0 ? "gone" : "r1",
            Incarnation = 1,
            Connection = (ulong)random.Next(1, 4),
            Generation = random.Next(3) == 0 ? Math.Max(0, highest.GetValueOrDefault(key) - random.Next(3)) : 0,
            Device = $"d{random.Next(100)}",
            RemoteAddress = $"10.0.0.{random.Next(256)}:1",
            BoundAt = random.Next(),
        };
    }

    private static UserKey Key(int user) => new($"a{user % 2}", $"user{user}");
}
