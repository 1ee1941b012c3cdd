using PushSystem.Rpc;

namespace PushSystem.Remote.Routing;

/// <summary>
/// Divides a batch among the nodes that its items belong to and puts the answers back into the items' order. Pure but for the calls.
/// </summary>
internal static class Scatter
{
    /// <param name="items">The batch.</param>
    /// <param name="workOf">What an item belongs to.</param>
    /// <param name="order">The nodes for a work.</param>
    /// <param name="call">Asks for a part of the batch, given any work of it; as many answers as items, in order.</param>
    public static async ValueTask<IReadOnlyList<TResult>> AskAsync<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, ulong> workOf, Func<ulong, IReadOnlyList<NodeAddress>> order,
        Func<ulong, IReadOnlyList<TItem>, ValueTask<IReadOnlyList<TResult>>> call)
    {
        if (items.Count == 0)
            return [];
        var firstWork = workOf(items[0]);
        if (items.Count == 1)
            return await call(firstWork, items);
        var groups = Group(items, workOf, order);
        if (groups.Count == 1)
            return await call(firstWork, items);
        var results = new TResult[items.Count];
        await Task.WhenAll(groups.Select(async group =>
        {
            var answers = await call(group.Work, [.. group.Indexes.Select(index => items[index])]);
            for (var i = 0; i < group.Indexes.Count; i++)
                results[group.Indexes[i]] = answers[i];
        }));
        return results;
    }

    public static List<(ulong Work, List<int> Indexes)> Group<TItem>(
        IReadOnlyList<TItem> items, Func<TItem, ulong> workOf, Func<ulong, IReadOnlyList<NodeAddress>> order)
    {
        var groups = new List<(ulong Work, List<int> Indexes)>();
        var byNode = new Dictionary<NodeAddress, int>();
        for (var i = 0; i < items.Count; i++)
        {
            var work = workOf(items[i]);
            var node = order(work)[0];
            if (!byNode.TryGetValue(node, out var group))
            {
                byNode.Add(node, group = groups.Count);
                groups.Add((work, []));
            }
            groups[group].Indexes.Add(i);
        }
        return groups;
    }
}
