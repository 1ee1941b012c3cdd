namespace PushSystem.Room.Access;

/// <summary>Bounds the logins that wait for registry and mailboxes at once. Any thread; nothing needs disposal.</summary>
internal sealed class LoginGate
{
    private int _inside;

    public bool TryEnter(int limit)
    {
        if (Interlocked.Increment(ref _inside) <= limit)
            return true;
        Interlocked.Decrement(ref _inside);
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _inside);
}
