using PushSystem.Contracts;
using PushSystem.Saver.Claims;

namespace PushSystem.Saver.MySql;

/// <summary>
/// <see cref="IWorkClaims"/> over MySQL. Any thread; claims of many callers are one commit. Owned and disposed by the cluster store.
/// </summary>
internal sealed class MySqlWorkClaims : IWorkClaims, IAsyncDisposable
{
    private const string Store = "claims";
    private const int ClaimBytes = 512;

    private const string Insert = "INSERT IGNORE INTO claims (work, token) VALUES (@work, @token)";
    private const string SelectForUpdate = "SELECT token FROM claims WHERE work = @work FOR UPDATE";
    private const string SelectShared = "SELECT token FROM claims WHERE work = @work LOCK IN SHARE MODE";
    private const string Update = "UPDATE claims SET token = @token WHERE work = @work";
    private const string Delete = "DELETE FROM claims WHERE work = @work AND token = @token";

    private readonly GroupCommit<Change, long> _commit;

    public MySqlWorkClaims(SqlLink link) => _commit = new GroupCommit<Change, long>(link, Store, ExecuteAsync);

    public async ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken)
    {
        ClaimRows.Check(work);
        ClaimRows.CheckToken(token);
        ArgumentNullException.ThrowIfNull(live);
        return await _commit.AddAsync(new Change(work, token, [.. live]), ClaimBytes, cancellationToken);
    }

    public async ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken)
    {
        ClaimRows.Check(work);
        ClaimRows.CheckToken(token);
        await _commit.AddAsync(new Change(work, token, null), ClaimBytes, cancellationToken);
    }

    public ValueTask DisposeAsync() => _commit.DisposeAsync();

    /// <summary>
    /// Throws <see cref="FencedException"/> unless the fence's token owns its work; nobody can take the work before this transaction ends.
    /// </summary>
    public static async Task CheckAsync(SqlSession session, Fence fence)
    {
        if (fence.IsSet && await session.NumberAsync(SelectShared, ("work", SqlSession.Key(fence.Work!))) != fence.Token)
            throw ClaimRows.Refusal(fence);
    }

    // In the order of their names, so that two savers never wait for each other.
    private static async Task<long[]> ExecuteAsync(SqlSession session, IReadOnlyList<Change> changes)
    {
        var owners = new long[changes.Count];
        foreach (var i in Enumerable.Range(0, changes.Count).OrderBy(i => changes[i].Work, StringComparer.Ordinal))
        {
            var change = changes[i];
            var work = SqlSession.Key(change.Work);
            if (change.Live is null)
                await session.RunAsync(Delete, ("work", work), ("token", change.Token));
            else
                owners[i] = await ClaimAsync(session, work, change.Token, change.Live);
        }
        return owners;
    }

    private static async Task<long> ClaimAsync(SqlSession session, byte[] work, long token, HashSet<long> live)
    {
        if (await session.NumberAsync(SelectForUpdate, ("work", work)) is not { } owner)
        {
            if (await session.RunAsync(Insert, ("work", work), ("token", token)) == 1)
                return token;
            // Another saver was faster; its row stays until this transaction ends.
            owner = await session.NumberAsync(SelectForUpdate, ("work", work)) ?? 0;
        }
        if (owner == token || live.Contains(owner))
            return owner;
        await session.RunAsync(Update, ("work", work), ("token", token));
        return token;
    }

    /// <summary>Live null: a release.</summary>
    private sealed record Change(string Work, long Token, HashSet<long>? Live);
}
