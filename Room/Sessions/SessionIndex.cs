using System.Diagnostics.CodeAnalysis;
using PushSystem.Contracts;

namespace PushSystem.Room.Sessions;

/// <summary>
/// Which sessions of this room a user has: one, or for moments several while a newer one takes over. It owns its stripes; any
/// thread may use it; nothing is called or awaited under a stripe's lock; nothing needs disposal.
/// </summary>
internal sealed class SessionIndex
{
    private const int Stripes = 64;

    private readonly Stripe[] _stripes;

    public SessionIndex()
    {
        _stripes = new Stripe[Stripes];
        for (var i = 0; i < Stripes; i++)
            _stripes[i] = new Stripe();
    }

    public void Add(UserKey key, SessionRef session)
    {
        var stripe = StripeOf(key);
        lock (stripe.Lock)
        {
            if (!stripe.Entries.TryGetValue(key, out var entry))
                stripe.Entries.Add(key, new Entry(session, null));
            else
                stripe.Entries[key] = entry with { Others = [.. entry.Others ?? [], session] };
        }
    }

    /// <summary>Removes exactly this session; others of the user stay.</summary>
    public bool Remove(UserKey key, SessionRef session)
    {
        var stripe = StripeOf(key);
        lock (stripe.Lock)
        {
            if (!stripe.Entries.TryGetValue(key, out var entry))
                return false;
            if (entry.Others is null)
                return entry.First == session && stripe.Entries.Remove(key);
            SessionRef[] all = [entry.First, .. entry.Others];
            var rest = Array.FindAll(all, other => other != session);
            stripe.Entries[key] = new Entry(rest[0], rest.Length > 1 ? rest[1..] : null);
            return rest.Length < all.Length;
        }
    }

    /// <summary>A session has moved to another slot.</summary>
    public bool Replace(UserKey key, SessionRef from, SessionRef to)
    {
        var stripe = StripeOf(key);
        lock (stripe.Lock)
        {
            if (!stripe.Entries.TryGetValue(key, out var entry))
                return false;
            if (entry.First == from)
            {
                stripe.Entries[key] = entry with { First = to };
                return true;
            }
            var place = entry.Others is null ? -1 : Array.IndexOf(entry.Others, from);
            if (place < 0)
                return false;
            var others = (SessionRef[])entry.Others!.Clone();
            others[place] = to;
            stripe.Entries[key] = entry with { Others = others };
            return true;
        }
    }

    /// <summary>The user's sessions; <paramref name="others"/> is null when there is only one.</summary>
    public bool TryFind(UserKey key, out SessionRef first, [MaybeNull] out SessionRef[] others)
    {
        var stripe = StripeOf(key);
        lock (stripe.Lock)
        {
            var found = stripe.Entries.TryGetValue(key, out var entry);
            first = entry.First;
            others = entry.Others;
            return found;
        }
    }

    private Stripe StripeOf(UserKey key) => _stripes[(uint)key.GetHashCode() % Stripes];

    private readonly record struct Entry(SessionRef First, SessionRef[]? Others);

    private sealed class Stripe
    {
        public readonly Lock Lock = new();
        public readonly Dictionary<UserKey, Entry> Entries = [];
    }
}
