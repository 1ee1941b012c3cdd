using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Redis.Operations;
using StackExchange.Redis;

namespace PushSystem.Saver.Redis;

// Loading, executing and sending. Everything here runs on the loop.
internal sealed partial class PartitionWriter
{
    private const int LoadUsers = 2_000;
    private const int MostRepeats = 8;

    private readonly PackedWriter _packed = new();
    private Doubt? _doubt;

    private async Task ExecuteAsync(Round round)
    {
        _table.ForgetReads();
        var users = new HashSet<UserKey>();
        foreach (var slot in round.Acks.Keys)
            users.Add(slot.Key);
        foreach (var operation in round.Operations)
        {
            operation.Reset();
            operation.AddUsers(users);
        }
        await LoadAsync(users);
        var reads = NewBatch();
        foreach (var (slot, seq) in round.Acks)
            PrefetchAck(reads, slot, seq);
        foreach (var operation in round.Operations)
            operation.Prefetch(reads, _table);
        if (!reads.IsEmpty)
            await SendAsync(reads);
        var batch = NewBatch();
        foreach (var (slot, seq) in round.Acks)
            Acknowledge(batch, slot, seq);
        var executed = new List<MailboxOperation>();
        var repeats = 0;
        long cost = 0;
        while (executed.Count < round.Operations.Count)
        {
            var operation = round.Operations[executed.Count];
            if (operation.Execute(batch, _table))
            {
                executed.Add(operation);
                repeats = 0;
                cost += operation.Cost;
                if (cost < _options.BatchBytes && batch.PlannedBytes < _options.ReadBytes)
                    continue;
            }
            else if (++repeats > MostRepeats)
            {
                throw new InvalidDataException($"{operation.GetType().Name} asks for the same data again and again.");
            }
            await CommitAsync(round, batch, executed, repeats > 0 ? operation : null);
            if (repeats > 0)
            {
                reads = NewBatch();
                operation.Prefetch(reads, _table);
                if (!reads.IsEmpty)
                    await SendAsync(reads);
            }
            batch = NewBatch();
            executed.Clear();
            cost = 0;
        }
        if (executed.Count > 0 || !batch.IsEmpty || round.Acks.Count > 0)
            await CommitAsync(round, batch, executed, null);
        _table.Evict();
    }

    private HotBatch NewBatch() => new(_keys, Now, _logger);

    /// <summary>Sends what was decided; afterwards it is true, and the operations leave the round.</summary>
    private async Task CommitAsync(Round round, HotBatch batch, List<MailboxOperation> executed, MailboxOperation? partial)
    {
        foreach (var operation in executed)
            operation.Plan(batch, _table);
        await SendAsync(batch, () => _doubt = new Doubt(batch, [.. executed], partial, _owner.Jseq));
        Finish(round, batch, executed, partial);
    }

    private void Finish(Round round, HotBatch batch, IReadOnlyList<MailboxOperation> executed, MailboxOperation? partial)
    {
        round.Acks.Clear();
        partial?.Applied();
        _metrics.Count(batch, executed.Count);
        foreach (var operation in executed)
        {
            round.Operations.Remove(operation);
            if (operation is AppendOperation { IsDurable: true } append)
            {
                var (epoch, jseq) = (_owner.Epoch, _owner.Jseq);
                append.WaitForLanding = () => _landing.WaitAsync(epoch, jseq, append.Items);
            }
            operation.Complete();
        }
        if (_landing.HasWaiters)
            _wakeLander();
    }

    /// <summary>One call of the script. Throws <see cref="BatchRefusedException"/> when nothing was done.</summary>
    private async Task SendAsync(HotBatch batch, Action? inDoubt = null)
    {
        var (keys, arguments) = batch.Seal(_owner.Token, _owner.Jseq, _packed);
        RedisResult[] answer;
        try
        {
            answer = (RedisResult[])(await _link.EvalAsync(MailboxScripts.Batch, keys, arguments, _stopping.Token))!;
        }
        catch (RedisUnavailableException exception) when (!exception.IsUndone && batch.Writes)
        {
            inDoubt?.Invoke();
            throw;
        }
        _metrics.Commands.Add(1);
        var code = (long)answer[0];
        if (code != MailboxScripts.Applied)
            throw new BatchRefusedException(code);
        Advance(batch);
        batch.Apply(answer);
    }

    private void Advance(HotBatch batch)
    {
        if (!batch.Writes)
            return;
        _owner.Jseq++;
        if (batch.Landing.Count > 0)
            _landing.Add(_owner.Jseq, batch.Landing);
    }

    /// <summary>Reads the states of those that are not in memory; while the partition is being filled, also from the landing tier.</summary>
    private async Task LoadAsync(IEnumerable<UserKey> users)
    {
        foreach (var chunk in users.Where(key => !_table.Has(key)).Chunk(LoadUsers))
        {
            var reads = NewBatch();
            var loaded = new List<HotMailbox>(chunk.Length);
            foreach (var key in chunk)
            {
                var mailbox = NewMailbox(key);
                loaded.Add(mailbox);
                reads.ReadState(mailbox, state =>
                {
                    if (state is not null)
                        PackedState.Read(state, mailbox);
                });
            }
            await SendAsync(reads);
            var old = loaded.FindAll(mailbox => mailbox.IsKnown ? mailbox.Epoch < _owner.BaseEpoch : !_owner.IsFull);
            foreach (var part in old.Chunk(_options.FillUsers))
                await InstallAsync(part);
            foreach (var mailbox in loaded)
            {
                if (!_table.Has(mailbox.Key))
                    _table.Put(mailbox);
            }
        }
    }

    private HotMailbox NewMailbox(UserKey key) =>
        new(key, PackedUser.Write(key), (int)((StableHash.Of(key) >> 32) % (uint)_owner.Buckets), _owner.BaseEpoch);

    private void PrefetchAck(HotBatch reads, in AckSlot slot, long seq)
    {
        var mailbox = _table.Get(slot.Key);
        if (slot.Stream == StreamKind.Mailbox && slot.Epoch == mailbox.Epoch && mailbox.Heads is null
            && MailboxChanges.NeedsHeadsToAcknowledge(mailbox, seq) && _table.Want(mailbox))
        {
            reads.ReadHeads(mailbox, heads => _table.SetHeads(mailbox, heads));
        }
    }

    /// <summary>acked = max(acked, seq) for the same epoch; anything else is ignored.</summary>
    private void Acknowledge(HotBatch batch, in AckSlot slot, long seq)
    {
        var mailbox = _table.Get(slot.Key);
        if (slot.Stream == StreamKind.Mailbox)
        {
            if (mailbox.IsKnown && slot.Epoch == mailbox.Epoch && seq <= mailbox.Top && seq > mailbox.Acked)
                MailboxChanges.Acknowledge(batch, mailbox, seq);
            else
                batch.AcksIgnored++;
            return;
        }
        if (mailbox.Cursor < 0 || seq <= mailbox.Cursor)
        {
            batch.AcksIgnored++;
            return;
        }
        var (before, epoch) = (mailbox.Cursor, slot.Epoch);
        MailboxChanges.MoveCursor(batch, mailbox, seq);
        batch.WhenApplied(() => _broadcasts.CountAcks(mailbox.Key.App, epoch, before, seq, 1));
    }

    /// <summary>A batch whose answer is lost, and the number before it.</summary>
    private sealed record Doubt(HotBatch Batch, IReadOnlyList<MailboxOperation> Executed, MailboxOperation? Partial, long Jseq);
}
