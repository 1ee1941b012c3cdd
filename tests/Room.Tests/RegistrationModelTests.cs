using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;
using PushSystem.Room.Tests.Support;

namespace PushSystem.Room.Tests;

/// <summary>
/// Random interleavings of everything that changes who is registered where, with registry calls that are slow, fail or lose their
/// answers. What must hold when it is quiet again: the registry and the room agree, and the newest session of a user has won.
/// </summary>
public class RegistrationModelTests
{
    [Fact]
    public async Task In_every_interleaving_room_and_registry_agree_in_the_end()
    {
        for (var seed = 1; seed <= 150; seed++)
            await RunAsync(seed, losing: false);
    }

    [Fact]
    public async Task Calls_of_unknown_outcome_never_leave_a_live_session_unregistered()
    {
        for (var seed = 1; seed <= 150; seed++)
            await RunAsync(seed, losing: true);
    }

    private static async Task RunAsync(int seed, bool losing)
    {
        await using var world = new RoomWorld(options => (options.FrameBurst, options.RegistryPollInterval) = (1_000_000, TimeSpan.FromMilliseconds(500)));
        var model = new Model(world, new Random(seed), losing);
        try
        {
            for (var step = 0; step < 80; step++)
                await model.StepAsync();
            await model.SettleAsync();
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"seed {seed}, losing {losing}", exception);
        }
    }

    private sealed class Model(RoomWorld world, Random random, bool losing)
    {
        private static readonly UserKey[] Users = [.. Enumerable.Range(0, 4).Select(i => new UserKey("a", $"u{i}"))];

        private readonly List<Player> _players = [];
        private readonly List<(CallGate Gate, int Until)> _gates = [];
        private readonly List<Task> _renewals = [];
        private long _incarnation = 10;
        private int _step;

        public async Task StepAsync()
        {
            _step++;
            ReleaseGates();
            var user = Users[random.Next(Users.Length)];
            var player = _players.Count > 0 ? _players[random.Next(_players.Count)] : null;
            switch (random.Next(14))
            {
                case 0 or 1 or 2:
                    _players.Add(new Player(world.Connect(random.Next(2))));
                    _players[^1].Client.SendPreface().SendLogin(world.Binding(user));
                    break;
                case 3 or 4 when player is not null:
                    player.Client.SendBind(_step, world.Binding(user));
                    break;
                case 5 when player is { Indexes.Count: > 0 }:
                    player.Client.Unbind(player.Indexes[random.Next(player.Indexes.Count)]);
                    break;
                case 6 when player is not null:
                    player.Read();
                    player.Client.Drop();
                    if (player.Client.ResumeTicket.Length > 0 && random.Next(3) > 0)
                    {
                        var next = new Player(world.Connect(random.Next(2)));
                        next.Indexes.AddRange(player.Indexes);
                        next.Client.SendPreface().SendResume(player.Client.ResumeTicket, [.. player.Indexes.Select(index => ResumeTests.Position(index))]);
                        _players.Add(next);
                    }
                    _players.Remove(player);
                    break;
                case 7:
                    world.Room.Fence();
                    break;
                case 8:
                    _renewals.Add(world.Room.RenewAsync(++_incarnation, CancellationToken.None));
                    break;
                case 9:
                    world.Registry.Wipe();
                    break;
                case 10:
                    BindElsewhere(user);
                    break;
                case 11:
                    TakeBackStale(user);
                    break;
                case 12:
                    HoldACall();
                    break;
                default:
                    world.Advance(0.2);
                    break;
            }
            foreach (var other in _players)
                other.Read();
            await Task.Yield();
        }

        public async Task SettleAsync()
        {
            foreach (var (gate, _) in _gates)
                Let(gate);
            _gates.Clear();
            _renewals.Add(world.Room.RenewAsync(++_incarnation, CancellationToken.None));
            await IncarnationTests.Done(world, Task.WhenAll(_renewals));
            await world.Until(() =>
            {
                world.Advance(0.2);
                return world.Room.Context.Unregistrar.IsIdle && Array.TrueForAll(world.Room.Context.Shards, shard => shard.Binder.Active == 0);
            }, "no call is under way");
            // Bindings that ended behind the last demand are bound again by another pass.
            await IncarnationTests.Done(world, world.Room.RenewAsync(++_incarnation, CancellationToken.None));
            await world.Unregistered();
            if (!losing)
            {
                IncarnationTests.ExpectRegistered(world);
                return;
            }
            foreach (var shard in world.Room.Context.Shards)
            {
                for (var slot = 0; slot < shard.Sessions.HighWater; slot++)
                {
                    if (!shard.Sessions.IsUsed(slot) || shard.Sessions[slot].Phase != SessionPhase.Open)
                        continue;
                    var entry = world.Registry.Of(shard.Sessions[slot].Key);
                    Assert.True(entry is not null, $"{shard.Sessions[slot].Key} is not registered");
                    Assert.Equal((_incarnation, shard.Sessions[slot].RegistryGeneration), (entry.Incarnation, entry.Generation));
                }
            }
        }

        // As another room does: registers, then asks for the end of what it replaced.
        private void BindElsewhere(UserKey user)
        {
            var reply = world.Registry.Put(new SessionEntry { Key = user, Room = "other", Incarnation = 5, Connection = (ulong)_step });
            if (reply.Previous is { Room: "room-1" } previous)
                world.Await(world.Room.ForIncarnation(previous.Incarnation).KickAsync(
                    [new KickItem(user, previous.Generation, ReasonCode.Replaced)], CancellationToken.None).AsTask());
            if (random.Next(2) == 0)
                world.Registry.Take(world.Registry.Of(user)!);
        }

        // As the center does: a delivery that finds nobody takes the entry back.
        private void TakeBackStale(UserKey user)
        {
            if (world.Registry.Of(user) is not { Room: "room-1" } entry)
                return;
            var item = world.Mailboxes.Append(user, "x", generation: entry.Generation);
            var outcome = world.Await(world.Room.ForIncarnation(entry.Incarnation).DeliverAsync([item], CancellationToken.None).AsTask())[0];
            if (outcome == DeliverOutcome.NotHere)
                world.Registry.Take(entry);
        }

        private void HoldACall()
        {
            if (_gates.Count > 3)
                return;
            var call = random.Next(3) == 0 ? "UnbindAsync" : "BindAsync";
            var gate = random.Next(2) == 0 ? world.Registry.Script.HoldBefore(call) : world.Registry.Script.HoldAfter(call);
            // Shorter than the limit of a call, unless losing answers is what this is about.
            _gates.Add((gate, _step + random.Next(1, 15)));
        }

        private void ReleaseGates()
        {
            foreach (var held in _gates.Where(held => held.Until <= _step && held.Gate.Arrived).ToList())
            {
                _gates.Remove(held);
                Let(held.Gate);
            }
            world.Run();
        }

        private void Let(CallGate gate)
        {
            if (!gate.Arrived)
                gate.Disarm();
            else if (losing && random.Next(2) == 0)
                gate.Fail();
            else
                gate.Release();
        }
    }

    private sealed class Player(TestClient client)
    {
        public TestClient Client { get; } = client;
        public List<int> Indexes { get; } = [];

        public void Read()
        {
            foreach (var frame in Client.TakeAllRaw())
            {
                switch (frame.Opcode)
                {
                    case Opcode.LoginOk:
                        Add(LoginOkMessage.Read(frame.Body).Results);
                        break;
                    case Opcode.BindOk:
                        Add([BindOkMessage.Read(frame.Body).Result]);
                        break;
                }
            }
        }

        private void Add(IReadOnlyList<BindResult> results) =>
            Indexes.AddRange(results.Where(result => result.Code == ReasonCode.Ok && !Indexes.Contains(result.AppIndex)).Select(result => result.AppIndex));
    }
}
