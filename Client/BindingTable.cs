using PushSystem.Protocol;

namespace PushSystem.Client;

/// <summary>
/// The bindings that the application wants, at most <see cref="ProtocolLimits.MaxBindings"/>.
/// Owns the list; thread-safe; nothing to dispose.
/// </summary>
internal sealed class BindingTable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string App, string User), PushBinding> _bindings = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Those to be bound, oldest first.</summary>
    public List<PushBinding> Wanted
    {
        get
        {
            lock (_lock)
                return [.. _bindings.Values.Where(b => b.IsWanted)];
        }
    }

    /// <summary>All of them, also those that failed.</summary>
    public List<PushBinding> All
    {
        get
        {
            lock (_lock)
                return [.. _bindings.Values];
        }
    }

    /// <summary>Ends with the next change of the list or of what is wanted.</summary>
    public Task Changed
    {
        get
        {
            lock (_lock)
                return _changed.Task;
        }
    }

    /// <summary>
    /// Adds a binding; one that failed gives way and is returned as <paramref name="replaced"/>. Throws
    /// <see cref="InvalidOperationException"/> when (app, user) is there or the limit is reached.
    /// </summary>
    public PushBinding Add(string app, string user, Func<PushBinding> create, out PushBinding? replaced)
    {
        lock (_lock)
        {
            if (_bindings.TryGetValue((app, user), out replaced) && replaced.IsWanted)
                throw new InvalidOperationException($"{app}/{user} is bound already");
            if (_bindings.Values.Count(b => b.IsWanted) >= ProtocolLimits.MaxBindings)
                throw new InvalidOperationException($"a connection holds at most {ProtocolLimits.MaxBindings} bindings");
            // Removed first, so that the order stays the order of binding.
            _bindings.Remove((app, user));
            var binding = create();
            _bindings.Add((app, user), binding);
            SignalLocked();
            return binding;
        }
    }

    /// <summary>The binding or null.</summary>
    public PushBinding? Find(string app, string user)
    {
        lock (_lock)
            return _bindings.GetValueOrDefault((app, user));
    }

    /// <summary>Removes it if it is still the one in the list.</summary>
    public bool Remove(PushBinding binding)
    {
        lock (_lock)
        {
            if (!_bindings.TryGetValue((binding.App, binding.User), out var current) || current != binding)
                return false;
            _bindings.Remove((binding.App, binding.User));
            SignalLocked();
            return true;
        }
    }

    /// <summary>A binding's state changed so that it may no longer be wanted.</summary>
    public void Signal()
    {
        lock (_lock)
            SignalLocked();
    }

    private void SignalLocked()
    {
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }
}
