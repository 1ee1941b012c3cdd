using PushSystem.Contracts;

namespace PushSystem.Register.Redis;

/// <summary>
/// Runs requests of one kind on one part: a script at a time, and all that came meanwhile in the next one. It owns the pieces that
/// wait; any thread adds; the registry bounds them and waits for the pump when it closes.
/// </summary>
/// <param name="maxBatch">Most items of a script; one piece may be larger.</param>
/// <param name="patience">What waited longer is not begun.</param>
/// <param name="time">For that.</param>
/// <param name="run">Does a batch; it is told when the oldest request of it came.</param>
/// <param name="left">Told how many items are done with.</param>
internal sealed class Lane<TReply>(
    int maxBatch, TimeSpan patience, TimeProvider time, Func<List<Item>, long, Task<TReply[]>> run, Action<int> left)
{
    private readonly Lock _gate = new();
    private readonly Queue<Piece<TReply>> _waiting = new();
    private Task _pump = Task.CompletedTask;
    private bool _pumping;

    /// <summary>Completes when nothing is under way any more.</summary>
    public Task Idle
    {
        get
        {
            lock (_gate)
                return _pump;
        }
    }

    public void Add(Piece<TReply> piece)
    {
        lock (_gate)
        {
            _waiting.Enqueue(piece);
            if (_pumping)
                return;
            _pumping = true;
            // Away from the caller, who has other parts to serve.
            _pump = Task.Run(PumpAsync);
        }
    }

    private async Task PumpAsync()
    {
        var batch = new List<Piece<TReply>>();
        var stale = new List<Piece<TReply>>();
        var items = new List<Item>();
        while (true)
        {
            batch.Clear();
            stale.Clear();
            items.Clear();
            lock (_gate)
            {
                while (_waiting.TryPeek(out var next) && (items.Count == 0 || items.Count + next.Items.Length <= maxBatch))
                {
                    _waiting.Dequeue();
                    if (time.GetElapsedTime(next.Gather.Started) >= patience || next.Gather.IsAbandoned)
                    {
                        stale.Add(next);
                        continue;
                    }
                    batch.Add(next);
                    items.AddRange(next.Items);
                }
                if (batch.Count == 0 && stale.Count == 0)
                {
                    _pumping = false;
                    return;
                }
            }
            if (stale.Count > 0)
                End(stale, [], new StoreUnavailableException("the registry is too slow: the request waited too long and was not begun"));
            if (batch.Count > 0)
                await RunAsync(batch, items);
        }
    }

    private async Task RunAsync(List<Piece<TReply>> batch, List<Item> items)
    {
        TReply[] replies = [];
        StoreUnavailableException? failure = null;
        try
        {
            replies = await run(items, batch.Min(piece => piece.Gather.Started));
        }
        catch (StoreUnavailableException exception)
        {
            failure = exception;
        }
        catch (Exception exception)
        {
            failure = new StoreUnavailableException($"the registry failed: {exception.Message}", exception);
        }
        End(batch, replies, failure);
    }

    private void End(List<Piece<TReply>> pieces, TReply[] replies, StoreUnavailableException? failure)
    {
        var at = 0;
        foreach (var piece in pieces)
        {
            if (failure is null)
            {
                foreach (var place in piece.Places)
                    piece.Gather.Set(place, replies[at++]);
            }
            else
            {
                piece.Gather.Fail(failure);
            }
            left(piece.Items.Length);
            piece.Gather.Done();
        }
    }
}
