using PushSystem.Contracts;
using PushSystem.Protocol;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Wire;

/// <summary>Broadcasts, multicasts and subtasks between contract types and node messages. Pure.</summary>
internal static class TaskWire
{
    public static P.BroadcastKey Key(string app, uint epoch, long seq) => new() { App = app, Epoch = epoch, Seq = seq };

    public static P.MulticastKey Key(string app, long id) => new() { App = app, Id = id };

    public static P.Broadcast? To(BroadcastRecord? record) => record is null ? null : new P.Broadcast
    {
        App = record.App, Epoch = record.Epoch, Seq = record.Seq, State = (uint)record.State, Kind = (uint)record.Kind,
        PayloadBytes = record.PayloadBytes, RatePerSecond = record.RatePerSecond, AcceptedAt = record.AcceptedAt, ExpiresAt = record.ExpiresAt,
        StartedAt = record.StartedAt, FinishedAt = record.FinishedAt, Targeted = record.Targeted, Sent = record.Sent, Acked = record.Acked,
        Offline = record.Offline,
    };

    public static BroadcastRecord? From(P.Broadcast? record) => record is null ? null : new BroadcastRecord
    {
        App = record.App, Epoch = record.Epoch, Seq = record.Seq, State = (TaskState)record.State, Kind = (PayloadKind)record.Kind,
        PayloadBytes = record.PayloadBytes, RatePerSecond = record.RatePerSecond, AcceptedAt = record.AcceptedAt, ExpiresAt = record.ExpiresAt,
        StartedAt = record.StartedAt, FinishedAt = record.FinishedAt, Targeted = record.Targeted, Sent = record.Sent, Acked = record.Acked,
        Offline = record.Offline,
    };

    public static P.BroadcastAnswer Answer(BroadcastRecord? record) => new() { Record = To(record) };

    public static P.BroadcastList List(IReadOnlyList<BroadcastRecord> records)
    {
        var list = new P.BroadcastList();
        list.Records.AddRange(records.Select(record => To(record)!));
        return list;
    }

    public static IReadOnlyList<BroadcastRecord> From(P.BroadcastList list) => [.. list.Records.Select(record => From(record)!)];

    public static P.Multicast? To(MulticastRecord? record) => record is null ? null : new P.Multicast
    {
        App = record.App, Id = record.Id, State = (uint)record.State, Level = (uint)record.Level, Kind = (uint)record.Kind,
        PayloadBytes = record.PayloadBytes, RatePerSecond = record.RatePerSecond, AcceptedAt = record.AcceptedAt, ExpiresAt = record.ExpiresAt,
        StartedAt = record.StartedAt, FinishedAt = record.FinishedAt, Targeted = record.Targeted, Accepted = record.Accepted,
        Refused = record.Refused, Online = record.Online,
    };

    public static MulticastRecord? From(P.Multicast? record) => record is null ? null : new MulticastRecord
    {
        App = record.App, Id = record.Id, State = (TaskState)record.State, Level = (Durability)record.Level, Kind = (PayloadKind)record.Kind,
        PayloadBytes = record.PayloadBytes, RatePerSecond = record.RatePerSecond, AcceptedAt = record.AcceptedAt, ExpiresAt = record.ExpiresAt,
        StartedAt = record.StartedAt, FinishedAt = record.FinishedAt, Targeted = record.Targeted, Accepted = record.Accepted,
        Refused = record.Refused, Online = record.Online,
    };

    public static P.MulticastAnswer Answer(MulticastRecord? record) => new() { Record = To(record) };

    public static P.MulticastList List(IReadOnlyList<MulticastRecord> records)
    {
        var list = new P.MulticastList();
        list.Records.AddRange(records.Select(record => To(record)!));
        return list;
    }

    public static IReadOnlyList<MulticastRecord> From(P.MulticastList list) => [.. list.Records.Select(record => From(record)!)];

    public static P.SubtaskItem To(Subtask subtask)
    {
        var item = new P.SubtaskItem { Task = To(subtask.Task), Part = subtask.Part, Cursor = subtask.Cursor };
        item.Users.AddRange(subtask.Users);
        return item;
    }

    public static Subtask From(P.SubtaskItem item) =>
        new(From(item.Task) ?? throw CommonWire.Missing("task"), item.Part, item.Cursor, [.. item.Users]);
}
