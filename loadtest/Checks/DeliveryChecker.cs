using PushSystem.Protocol;

namespace PushSystem.Loadtest.Checks;

/// <summary>
/// Compares what the API accepted with what clients received: nothing lost, nothing twice at app level, a user's messages in
/// order, nothing of somebody else. Each user's ledger has one sender and one client loop as writers; the counts are kept
/// per loop, so that the hot path takes no lock.
/// </summary>
internal sealed class DeliveryChecker
{
    private readonly uint _run, _app;
    private readonly byte _kind;
    private readonly bool _guaranteed;
    private readonly UserLedger[] _ledgers;

    /// <param name="run">Tells this run's payloads from those of earlier ones.</param>
    /// <param name="app">The app's hash.</param>
    /// <param name="users">Users 0 to <paramref name="users"/> - 1.</param>
    /// <param name="broadcast">All users share one sender's numbers.</param>
    /// <param name="guaranteed">Accepted means stored; false for the transient level, where nothing is promised.</param>
    public DeliveryChecker(uint run, uint app, int users, bool broadcast, bool guaranteed)
    {
        (_run, _app, _guaranteed) = (run, app, guaranteed);
        _kind = broadcast ? PayloadStamp.Broadcast : PayloadStamp.Unicast;
        _ledgers = new UserLedger[users];
        var (accepted, unknown) = (new BitLog(), new BitLog());
        for (var i = 0; i < users; i++)
            _ledgers[i] = broadcast ? new UserLedger(accepted, unknown) : new UserLedger(new BitLog(), new BitLog());
    }

    /// <summary>The ledger of a user.</summary>
    public UserLedger this[int user] => _ledgers[user];

    /// <summary>Makes the stamp of the next message; the owner of the user calls it.</summary>
    public PayloadStamp Stamp(int user, long number, long time) =>
        new(_run, _app, _kind, _kind == PayloadStamp.Broadcast ? 0 : user, number, time);

    /// <summary>
    /// A client's message after the dedupe by (epoch, seq). True, with the stamp, when it is this run's and new. Called by the
    /// user's client loop only.
    /// </summary>
    public bool Receive(int user, ReadOnlySpan<byte> payload, CheckCounts counts, out PayloadStamp stamp)
    {
        if (!PayloadStamp.TryRead(payload, out stamp))
        {
            counts.Unexpected++;
            return false;
        }
        if (stamp.App != _app || (stamp.Kind == PayloadStamp.Unicast && stamp.User != user))
        {
            counts.Foreign++;
            return false;
        }
        if (stamp.Run != _run)
        {
            counts.Stale++;
            return false;
        }
        if (stamp.Kind != _kind || stamp.Number < 1)
        {
            counts.Unexpected++;
            return false;
        }
        if (stamp.Number > Volatile.Read(ref SentOf(user)))
        {
            counts.Unexpected++;
            return false;
        }
        if (!_ledgers[user].Receive(stamp.Number))
        {
            counts.Duplicates++;
            return false;
        }
        counts.Received++;
        return true;
    }

    /// <summary>A RESET: so many positions will not come. Called by the user's client loop only.</summary>
    public void Cover(int user, long positions, ResetReason reason)
    {
        _ledgers[user].Covered += Math.Max(0, positions);
        if (reason == ResetReason.DataLoss)
            _ledgers[user].DataLost = true;
    }

    /// <summary>Says that number was handed to the API, before it is.</summary>
    public void Sending(int user, long number) => Volatile.Write(ref SentOf(user), number);

    /// <summary>Accepted messages that have not arrived yet, as far as is visible now; what a RESET covered does not count.</summary>
    public long Missing()
    {
        long missing = 0;
        foreach (var ledger in _ledgers)
            missing += MissingOf(ledger, out _);
        return missing;
    }

    /// <summary>The verdict, once senders and client loops have stopped.</summary>
    public CheckVerdict Judge(IEnumerable<CheckCounts> loops, long streamGaps)
    {
        var total = new CheckCounts();
        foreach (var counts in loops)
            total.Add(counts);
        long lost = 0, covered = 0, reordered = 0, refusedReceived = 0;
        var examples = new List<string>();
        for (var user = 0; user < _ledgers.Length; user++)
        {
            var ledger = _ledgers[user];
            var missing = MissingOf(ledger, out var coveredHere);
            covered += coveredHere;
            lost += missing;
            if (missing > 0 && examples.Count < 5)
                examples.Add($"user {user}: {missing} lost, the first is number {ledger.Accepted.FirstMissingIn(ledger.Received)}");
            foreach (var late in ledger.Late ?? [])
            {
                // A message whose request broke off may be stored at any later moment: its place says nothing.
                if (ledger.Unknown.Contains(late))
                    continue;
                reordered++;
                if (reordered == 1)
                    examples.Add($"user {user}: number {late} came after a higher one");
            }
            if (_guaranteed)
                refusedReceived += ReceivedThoughRefused(ledger);
        }
        if (refusedReceived > 0)
            examples.Add($"{refusedReceived} messages arrived that the API had refused");
        return new CheckVerdict(total, lost, covered, reordered, total.Unexpected + refusedReceived, streamGaps, examples);
    }

    private ref long SentOf(int user) => ref _ledgers[_kind == PayloadStamp.Broadcast ? 0 : user].Sent;

    private long MissingOf(UserLedger ledger, out long covered)
    {
        covered = 0;
        if (!_guaranteed)
            return 0;
        var missing = ledger.Accepted.CountMissingIn(ledger.Received);
        covered = ledger.DataLost ? missing : Math.Min(missing, ledger.Covered);
        return missing - covered;
    }

    private static long ReceivedThoughRefused(UserLedger ledger)
    {
        if (ledger.Received.CountMissingIn(ledger.Accepted) == 0)
            return 0;
        long refused = 0;
        for (var number = ledger.Received.FirstMissingIn(ledger.Accepted); number <= ledger.Received.Highest; number++)
        {
            if (ledger.Received.Contains(number) && !ledger.Accepted.Contains(number) && !ledger.Unknown.Contains(number))
                refused++;
        }
        return refused;
    }
}

/// <summary>Counts of one client loop, written by it alone.</summary>
internal sealed class CheckCounts
{
    /// <summary>This run's messages, each counted once.</summary>
    public long Received;
    /// <summary>The same message under another (epoch, seq).</summary>
    public long Duplicates;
    /// <summary>Of another app or user.</summary>
    public long Foreign;
    /// <summary>Of an earlier run: left in the mailbox, no error.</summary>
    public long Stale;
    /// <summary>Not the harness's, or never sent.</summary>
    public long Unexpected;

    public void Add(CheckCounts other)
    {
        Received += Volatile.Read(ref other.Received);
        Duplicates += Volatile.Read(ref other.Duplicates);
        Foreign += Volatile.Read(ref other.Foreign);
        Stale += Volatile.Read(ref other.Stale);
        Unexpected += Volatile.Read(ref other.Unexpected);
    }
}

/// <summary>What the checker found. Covered messages were accepted, but a RESET told the client that they will not come.</summary>
internal sealed record CheckVerdict(
    CheckCounts Counts, long Lost, long Covered, long Reordered, long Unexpected, long StreamGaps, IReadOnlyList<string> Examples)
{
    /// <summary>No promise was broken.</summary>
    public bool Clean => Lost == 0 && Reordered == 0 && Unexpected == 0 && StreamGaps == 0 && Counts.Duplicates == 0 && Counts.Foreign == 0;
}
