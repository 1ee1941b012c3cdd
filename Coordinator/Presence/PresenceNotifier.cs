using PushSystem.Contracts;
using PushSystem.Coordinator.Ownership;

namespace PushSystem.Coordinator.Presence;

/// <summary>
/// Hands changes of presence to the books of the apps that are owned here. Any thread; owns nothing. Presence goes through the same
/// queue as upstream messages, so that both stay in order for a user.
/// </summary>
internal sealed class PresenceNotifier(PresenceContext context, AppOwners owners)
{
    /// <summary>See <see cref="Coordinator.NotifyAsync"/>.</summary>
    public async ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken)
    {
        string? refused = null;
        foreach (var ofApp in changes.GroupBy(change => change.Key.App, StringComparer.Ordinal))
        {
            if (!context.WantsPresence(ofApp.Key))
                continue;
            if (await owners.OwnAsync(ofApp.Key, cancellationToken) is not { } owned)
                refused = ofApp.Key;
            else if (await owned.Book.ApplyAsync([.. ofApp], cancellationToken))
                owned.Delivery.Wake();
        }
        if (refused is not null)
            throw new FencedException($"Another coordinator decides about the presence of app '{refused}'.");
    }
}
