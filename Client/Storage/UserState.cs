using PushSystem.Protocol;

namespace PushSystem.Client.Storage;

/// <summary>
/// What the store holds for one (app, user).
/// Owned by the store; every field is read and written under the store's lock only; nothing to dispose.
/// </summary>
internal sealed class UserState(string app, string user)
{
    public string App { get; } = app;
    public string User { get; } = user;

    /// <summary>Last processed, by <see cref="StreamKind"/>.</summary>
    public StreamPosition[] Positions { get; } = new StreamPosition[2];
    public bool[] PositionDirty { get; } = new bool[2];

    /// <summary>Highest upstream id that the file allows to use.</summary>
    public long ReservedSendId { get; set; }
    /// <summary>0 until the first use in this process.</summary>
    public long NextSendId { get; set; }
    public bool SendIdsDirty { get; set; }

    /// <summary>Bindings that use this state now.</summary>
    public int Users { get; set; }
    /// <summary>Order of the last use.</summary>
    public long Touched { get; set; }

    /// <summary>Adds the records of what changed, or of everything.</summary>
    public void Collect(List<StoreRecord> records, bool all)
    {
        for (byte stream = 0; stream < Positions.Length; stream++)
        {
            if (PositionDirty[stream] || (all && Positions[stream] != default))
                records.Add(new StoreRecord(StoreRecordType.Position, stream, Positions[stream].Epoch, Positions[stream].Seq, App, User));
        }
        if (SendIdsDirty || (all && ReservedSendId > 0))
            records.Add(new StoreRecord(StoreRecordType.SendIds, 0, 0, ReservedSendId, App, User));
    }

    /// <summary>Everything collected is in the file.</summary>
    public void Clean()
    {
        Array.Clear(PositionDirty);
        SendIdsDirty = false;
    }
}
