using PushSystem.Contracts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Claims;

/// <summary><see cref="IWorkClaims"/> over SQLite. Holds no state; any thread. Lives as long as the store.</summary>
internal sealed class SqlWorkClaims(GroupCommitWriter writer) : IWorkClaims
{
    private const int ClaimBytes = 512;

    public async ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken)
    {
        ClaimRows.Check(work);
        ClaimRows.CheckToken(token);
        ArgumentNullException.ThrowIfNull(live);
        // A copy: the collection is the caller's, the write runs on another thread.
        HashSet<long> alive = [.. live];
        return await writer.RunAsync(
            ClaimBytes,
            batch =>
            {
                var owner = ClaimRows.Owner(batch.Connection, work);
                if (owner == token || (owner != 0 && alive.Contains(owner)))
                    return owner;
                ClaimRows.Own(batch.Connection, work, token);
                return token;
            },
            cancellationToken);
    }

    public async ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken)
    {
        ClaimRows.Check(work);
        ClaimRows.CheckToken(token);
        await writer.RunAsync(
            ClaimBytes,
            batch =>
            {
                ClaimRows.Release(batch.Connection, work, token);
                return true;
            },
            cancellationToken);
    }
}
