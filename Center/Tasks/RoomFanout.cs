using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>What the engine knows of one broadcast in one incarnation of a room. Used by the task's loop only.</summary>
internal sealed class RoomFanout
{
    /// <summary>The last command that the room answered; null = none yet.</summary>
    public FanoutAction? Told { get; set; }

    /// <summary>The rate that it was told.</summary>
    public int Rate { get; set; }

    /// <summary>It has nobody left to send to.</summary>
    public bool Finished { get; set; }

    /// <summary>Sessions that it aimed at; of a room that is gone, only those that it reached.</summary>
    public long Targeted { get; set; }

    /// <summary>Sessions that it sent to.</summary>
    public long Sent { get; set; }

    public void Take(FanoutProgress progress)
    {
        Targeted = Math.Max(Targeted, progress.Targeted);
        Sent = Math.Max(Sent, progress.Sent);
        Finished = progress.Finished;
    }

    /// <summary>The room is not there any more.</summary>
    public void Leave() => Targeted = Sent;
}
