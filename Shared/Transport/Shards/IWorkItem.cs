namespace PushSystem.Transport.Shards;

/// <summary>
/// Something to run on a shard's turn. It is an interface and carries its own link, so that an object that exists anyway (a
/// connection's receive operation, a sender) is its own queue node. An item is in at most one queue at a time.
/// </summary>
internal interface IWorkItem
{
    /// <summary>The queue's link; belongs to the queue while the item is in it.</summary>
    IWorkItem? Next { get; set; }

    void Run(Shard shard);
}
