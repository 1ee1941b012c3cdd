using PushSystem.Cluster.Configuration;
using PushSystem.Hosting;

namespace PushSystem.Dispatcher;

/// <summary>
/// The settings in force, swapped as a whole: a request sees the old ones or the new ones, never a mixture.
/// Owns the current snapshot; any thread reads, one at a time changes; nothing to dispose.
/// </summary>
public sealed class DispatcherSettings
{
    private readonly OptionsOverlay<DispatcherOptions, DispatcherSection> _overlay;
    private volatile DispatcherSnapshot _current;

    /// <summary>What the process was started with. Throws when the options are not valid, naming each wrong one.</summary>
    public DispatcherSettings(DispatcherOptions started)
    {
        _overlay = new OptionsOverlay<DispatcherOptions, DispatcherSection>(OptionsCheck.Validated(started, "Dispatcher"));
        _current = new DispatcherSnapshot(_overlay.Over(new DispatcherSection()));
    }

    internal DispatcherSnapshot Current => _current;

    /// <summary>Throws when the section does not fit what the process was started with, naming each wrong option.</summary>
    public void Check(DispatcherSection section) => OptionsCheck.Validated(_overlay.Over(section), "Dispatcher");

    /// <summary>Puts the section in force for all requests from now on; what it leaves out is as the process was started. Throws as <see cref="Check"/>.</summary>
    public void Apply(DispatcherSection section) =>
        _current = new DispatcherSnapshot(OptionsCheck.Validated(_overlay.Over(section), "Dispatcher"));
}
