using PushSystem.Contracts;

namespace PushSystem.Center.Delivery;

/// <summary>A message on its way to the room that the registry's entry names. Retried: that entry is the second one looked up.</summary>
internal readonly record struct RoutedItem(DeliverItem Item, SessionEntry Entry, bool Retried)
{
    /// <summary>The message addressed to the entry's session.</summary>
    public static RoutedItem To(SessionEntry entry, in DeliverItem item, bool retried) =>
        new(item with { Generation = entry.Generation }, entry, retried);
}
