using Microsoft.Extensions.Hosting;
using PushSystem.Contracts;

namespace PushSystem.Center;

/// <summary>
/// The peers of a process that is alone with its data. Its token is one more than that of the process before it, which is kept as a
/// claim, so that what a dead one had begun is taken up whatever the clock says.
/// Owns the token; any thread reads; the host starts it before what works, and nothing needs disposal.
/// </summary>
public sealed class SolePeer(IWorkClaims claims) : IPeers, IHostedService
{
    private const string Work = "centers/sole";

    private long _self;

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public long Self => Volatile.Read(ref _self);

    /// <inheritdoc/>
    public IReadOnlyCollection<long> Live => Self is var self && self == 0 ? [] : [self];

    /// <inheritdoc/>
    public bool IsFirstFor(string work) => Self != 0;

    /// <summary>Takes the next token. Throws <see cref="StoreUnavailableException"/>.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // The lowest token never replaces another one, so that this only asks who was here last.
        var last = await claims.ClaimAsync(Work, 1, [], cancellationToken);
        var self = await claims.ClaimAsync(Work, last + 1, [], cancellationToken);
        Volatile.Write(ref _self, self);
        Changed?.Invoke();
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
