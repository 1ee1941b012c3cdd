namespace PushSystem.Saver.Sql;

/// <summary>
/// What one transaction works on. Only the writing thread touches it, and only between begin and commit. Everything in memory that
/// changes with the transaction is tracked here and published or discarded with it.
/// </summary>
internal sealed class WriteBatch
{
    private readonly List<IVersioned> _changed = [];
    private readonly List<Action> _afterCommit = [];

    /// <summary>The writing connection, inside the transaction.</summary>
    public RawConnection Connection { get; private set; } = null!;

    /// <summary>Time of this batch, Unix milliseconds.</summary>
    public long Now { get; private set; }

    public void Start(RawConnection connection, long now)
    {
        Connection = connection;
        Now = now;
    }

    /// <summary>Called by a versioned value at its first change in this batch.</summary>
    public void Track(IVersioned value) => _changed.Add(value);

    /// <summary>Runs on the writing thread after the commit; must not throw or wait.</summary>
    public void AfterCommit(Action action) => _afterCommit.Add(action);

    public void Publish()
    {
        foreach (var value in _changed)
            value.Publish();
        foreach (var action in _afterCommit)
            action();
        Clear();
    }

    public void Discard()
    {
        foreach (var value in _changed)
            value.Discard();
        Clear();
    }

    private void Clear()
    {
        _changed.Clear();
        _afterCommit.Clear();
    }
}

/// <summary>A value in memory that changes together with the transaction.</summary>
internal interface IVersioned
{
    /// <summary>The transaction is committed: readers may see the change.</summary>
    void Publish();

    /// <summary>The transaction is gone: back to the committed value.</summary>
    void Discard();
}

/// <summary>
/// An immutable value with a committed version that any thread reads and a working version of the writing thread.
/// </summary>
internal sealed class Versioned<T>(T initial) : IVersioned where T : class
{
    private volatile T _committed = initial;
    private T _working = initial;
    private bool _tracked;

    public T Committed => _committed;

    /// <summary>Writing thread only.</summary>
    public T Working => _working;

    /// <summary>Writing thread only.</summary>
    public void Set(WriteBatch batch, T value)
    {
        _working = value;
        if (_tracked)
            return;
        _tracked = true;
        batch.Track(this);
    }

    public void Publish()
    {
        _tracked = false;
        _committed = _working;
    }

    public void Discard()
    {
        _tracked = false;
        _working = _committed;
    }
}
