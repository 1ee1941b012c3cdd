using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Center.Tasks;
using PushSystem.Center.Tests.Fakes;

namespace PushSystem.Center.Tests.Tasks;

/// <summary>Engines without a container.</summary>
internal static class Engines
{
    public static BroadcastEngine New(
        FakeBroadcastLog log, FakeClaims claims, FakePeers peers, FakeRegistry registry, FakeRooms rooms, CenterOptions options, CenterMetrics metrics,
        TimeProvider time, WakeSender? others = null, TaskWakes? wakes = null) =>
        new(log, claims, peers, registry, rooms, others ?? Sender(options, time), wakes ?? new TaskWakes(), options, metrics, time, NullLoggerFactory.Instance);

    public static WakeSender Sender(CenterOptions options, TimeProvider time, params ITaskWakeUps[] others) =>
        new(others, options, time, NullLogger<WakeSender>.Instance);
}
