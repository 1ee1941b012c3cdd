using PushSystem.Cluster.Etcd;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>Three members of which one dies.</summary>
public sealed class MembersTests
{
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task A_client_that_knows_one_of_three_members_survives_its_death()
    {
        var ports = FreePorts.Take(6);
        var cluster = string.Join(',', Enumerable.Range(0, 3).Select(i => $"m{i}=http://127.0.0.1:{ports[3 + i]}"));
        var members = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => EtcdServer.StartAsync(
            "--name", $"m{i}", "--listen-client-urls", $"http://127.0.0.1:{ports[i]}", "--advertise-client-urls", $"http://127.0.0.1:{ports[i]}",
            "--listen-peer-urls", $"http://127.0.0.1:{ports[3 + i]}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{ports[3 + i]}",
            "--initial-cluster", cluster)));
        try
        {
            await using var world = new RealWorld($"http://127.0.0.1:{ports[0]}");
            var client = world.Client();
            var directory = world.Nodes(client);
            var node = world.Node(client, world.Token());
            await Waiting.For(node.Registered, "the registration");
            await RealWorld.When(directory, nodes => nodes.Count == 1, "the node in the view");
            await client.Members.RefreshAsync(Never);
            Assert.Equal(3, client.Endpoints.All.Count);

            await members[0].Kill();
            var renewal = RealWorld.Renewal(node);
            // While a leader is elected etcd refuses or does not answer; then the client goes on at another member.
            var entry = await Eventually(async () => await client.GetAsync(_key(world), Never), "a read after the death");
            Assert.Equal(node.LastIncarnation, entry!.CreateRevision);
            await Eventually(async () => await client.RevokeAsync(entry.Lease, Never), "a write after the death");
            var second = await Waiting.For(renewal, "the new incarnation, noticed by a watch on another member");
            await RealWorld.When(directory, nodes => nodes.Count == 1 && nodes[0].Incarnation == second, "the new incarnation in the view");
            Assert.NotEqual($"http://127.0.0.1:{ports[0]}", client.Endpoints.Pick()!.ToString());
        }
        finally
        {
            foreach (var member in members)
                await member.DisposeAsync();
        }

        static string _key(RealWorld world) => world.Keys.Node("room", "r1");
    }

    private static async Task<T> Eventually<T>(Func<Task<T>> call, string phase)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (EtcdException) when (TimeProvider.System.GetElapsedTime(started) < Waiting.Limit)
            {
                // Each call waits by itself for its attempts.
            }
            catch (EtcdException exception)
            {
                throw new TimeoutException($"'{phase}' did not happen", exception);
            }
        }
    }
}
