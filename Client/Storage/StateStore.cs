using System.Diagnostics.CodeAnalysis;
using PushSystem.Protocol;

namespace PushSystem.Client.Storage;

/// <summary>Room addresses as they were last told, best first.</summary>
internal sealed record StoredAddresses(IReadOnlyList<string> Items, DateTimeOffset ExpiresAt)
{
    public static readonly StoredAddresses None = new([], DateTimeOffset.MinValue);
}

/// <summary>
/// What a client remembers: positions of streams, used upstream ids, room addresses. Memory first; the file, if there is one, is an
/// append-only list of <see cref="StoreRecord"/>s in which the last valid record of a key counts, rewritten when it grew.
/// Owns the file; thread-safe; disposed by the client.
/// </summary>
internal sealed class StateStore : IDisposable
{
    private const int MaxUsers = 256;
    private const int CompactAtBytes = 64 * 1024;
    private const int SendIdsAtOnce = 1000;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string App, string User), UserState> _users = [];
    private readonly List<UserState> _dirty = [];
    private readonly StoreFile? _file;
    private readonly string _device;
    private StoredAddresses _addresses = StoredAddresses.None;
    private bool _addressesDirty, _unflushed, _disposed;
    private uint _listNumber;
    private long _length, _touches;

    private StateStore(string device, StoreFile? file)
    {
        _device = device;
        _file = file;
    }

    /// <summary>Damaged records that were skipped when the file was read.</summary>
    public int Damaged { get; private set; }

    /// <summary>Where a file that is not a store was put aside; null when nothing was.</summary>
    public string? SetAsidePath { get; private set; }

    /// <summary>The last list told.</summary>
    public StoredAddresses Addresses
    {
        get
        {
            lock (_lock)
                return _addresses;
        }
    }

    /// <summary>
    /// Opens or creates the file; null = memory only. Throws <see cref="IOException"/> when another process has it open or it cannot be
    /// read, <see cref="InvalidOperationException"/> when it belongs to another device.
    /// </summary>
    public static StateStore Open(string? path, string device, Func<string, StoreFile>? open = null)
    {
        if (path is null)
            return new StateStore(device, null);
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var store = new StateStore(device, open is null ? new StoreFile(full) : open(full));
        try
        {
            store.Load(full);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>The state of a user, kept in memory until <see cref="Release"/>d as often as it was taken.</summary>
    public UserState Take(string app, string user)
    {
        lock (_lock)
        {
            var state = GetLocked(app, user);
            state.Users++;
            state.Touched = ++_touches;
            return state;
        }
    }

    /// <summary>The user's binding is gone; the state may be forgotten when there are many newer ones.</summary>
    public void Release(UserState state)
    {
        lock (_lock)
        {
            state.Users--;
            if (_users.Count > MaxUsers)
                ForgetLocked();
        }
    }

    /// <summary>The last processed position.</summary>
    public StreamPosition Position(UserState state, StreamKind stream)
    {
        lock (_lock)
            return state.Positions[(int)stream];
    }

    /// <summary>Sets a position if it is still <paramref name="expected"/>. In force in memory at once, in the file with <see cref="TryFlush"/>.</summary>
    public bool TryMove(UserState state, StreamKind stream, StreamPosition expected, StreamPosition position)
    {
        lock (_lock)
        {
            if (state.Positions[(int)stream] != expected)
                return false;
            state.Positions[(int)stream] = position;
            state.PositionDirty[(int)stream] = true;
            MarkLocked(state);
            return true;
        }
    }

    /// <summary>
    /// The next upstream id of a user: grows over restarts, and even when the store is lost it begins above the old ones, because it is
    /// never below the clock's milliseconds. False when the range could not be written.
    /// </summary>
    public bool TryNextSendId(UserState state, long unixMilliseconds, out long id, [NotNullWhen(false)] out Exception? error)
    {
        lock (_lock)
        {
            id = state.NextSendId > 0 ? state.NextSendId : Math.Max(state.ReservedSendId + 1, unixMilliseconds);
            if (id > state.ReservedSendId)
            {
                var before = state.ReservedSendId;
                state.ReservedSendId = id + SendIdsAtOnce - 1;
                state.SendIdsDirty = true;
                MarkLocked(state);
                if (!TryFlushLocked(toDisk: false, out error))
                {
                    state.ReservedSendId = before;
                    return false;
                }
            }
            state.NextSendId = id + 1;
            error = null;
            return true;
        }
    }

    /// <summary>Remembers a list of addresses; those longer than a record are left out.</summary>
    public void SetAddresses(IReadOnlyList<string> items, DateTimeOffset expiresAt)
    {
        lock (_lock)
        {
            _addresses = new StoredAddresses(items, expiresAt);
            _addressesDirty = true;
        }
    }

    /// <summary>
    /// Writes what changed. True: everything set before this call is in the file (and on the disk, when asked), or there is no file.
    /// </summary>
    public bool TryFlush(bool toDisk, [NotNullWhen(false)] out Exception? error)
    {
        lock (_lock)
            return TryFlushLocked(toDisk, out error);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            TryFlushLocked(toDisk: false, out _);
            _disposed = true;
            _file?.Dispose();
        }
    }

    private bool TryFlushLocked(bool toDisk, [NotNullWhen(false)] out Exception? error)
    {
        error = null;
        if (_file is null || _disposed)
        {
            _dirty.Clear();
            return true;
        }
        try
        {
            if (_dirty.Count > 0 || _addressesDirty)
            {
                if (_length >= CompactAtBytes && _length >= 4L * LiveRecordsLocked() * StoreRecord.Size)
                    CompactLocked();
                else
                    AppendLocked();
            }
            if (toDisk && _unflushed)
            {
                _file.FlushToDisk();
                _unflushed = false;
            }
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            error = e;
            return false;
        }
    }

    private void AppendLocked()
    {
        var records = new List<StoreRecord>();
        foreach (var state in _dirty)
            state.Collect(records, all: false);
        if (_addressesDirty)
            CollectAddressesLocked(records);
        var bytes = Encode(records);
        _file!.Write(bytes, _length);
        _length += bytes.Length;
        CleanLocked();
        _unflushed = true;
    }

    private void CompactLocked()
    {
        ForgetLocked();
        var records = new List<StoreRecord> { Header() };
        foreach (var state in _users.Values)
            state.Collect(records, all: true);
        CollectAddressesLocked(records);
        var bytes = Encode(records);
        _file!.Replace(bytes);
        _length = bytes.Length;
        CleanLocked();
        _unflushed = false;
    }

    private void CleanLocked()
    {
        foreach (var state in _dirty)
            state.Clean();
        _dirty.Clear();
        _addressesDirty = false;
    }

    private StoreRecord Header() => new(StoreRecordType.Header, 0, 0, 0, _device, "");

    private int LiveRecordsLocked() => 1 + 3 * _users.Count + _addresses.Items.Count;

    private void CollectAddressesLocked(List<StoreRecord> records)
    {
        _listNumber++;
        for (var i = 0; i < _addresses.Items.Count; i++)
        {
            var text = _addresses.Items[i];
            if (System.Text.Encoding.UTF8.GetByteCount(text) <= StoreRecord.MaxTextBytes)
                records.Add(new StoreRecord(StoreRecordType.Address, (byte)i, _listNumber, _addresses.ExpiresAt.ToUnixTimeSeconds(), text, ""));
        }
    }

    private static byte[] Encode(List<StoreRecord> records)
    {
        var bytes = new byte[records.Count * StoreRecord.Size];
        for (var i = 0; i < records.Count; i++)
            records[i].Write(bytes.AsSpan(i * StoreRecord.Size));
        return bytes;
    }

    private void MarkLocked(UserState state)
    {
        state.Touched = ++_touches;
        if (_file is not null && !_dirty.Contains(state))
            _dirty.Add(state);
    }

    private UserState GetLocked(string app, string user)
    {
        if (!_users.TryGetValue((app, user), out var state))
            _users.Add((app, user), state = new UserState(app, user));
        return state;
    }

    // The users not bound now that were used longest ago go first.
    private void ForgetLocked()
    {
        var surplus = _users.Count - MaxUsers;
        if (surplus <= 0)
            return;
        foreach (var state in _users.Values.Where(s => s.Users == 0 && !_dirty.Contains(s)).OrderBy(s => s.Touched).Take(surplus).ToList())
            _users.Remove((state.App, state.User));
    }

    private void Load(string path)
    {
        var fileLength = _file!.Length;
        if (fileLength > 0 && !HasHeader())
        {
            SetAsidePath = path + ".damaged";
            _file.SetAside(SetAsidePath);
            fileLength = 0;
        }
        if (fileLength == 0)
        {
            _file.Write(Encode([Header()]), 0);
            _length = StoreRecord.Size;
            return;
        }
        var buffer = new byte[StoreRecord.Size * 256];
        var addresses = new List<StoreRecord>();
        // Whole records only: what lies behind the last one is a torn write and is overwritten by the next.
        var whole = fileLength / StoreRecord.Size * StoreRecord.Size;
        while (_length < whole)
        {
            var filled = Fill(buffer.AsSpan(0, (int)Math.Min(buffer.Length, whole - _length)), _length);
            for (var offset = 0; offset < filled; offset += StoreRecord.Size)
            {
                if (StoreRecord.TryRead(buffer.AsSpan(offset), out var record))
                    ApplyLocked(record, addresses);
                else
                    Damaged++;
            }
            _length += filled;
        }
        if (addresses.Count > 0)
        {
            addresses.Sort((a, b) => a.Index.CompareTo(b.Index));
            _addresses = new StoredAddresses([.. addresses.Select(a => a.Text1)], DateTimeOffset.FromUnixTimeSeconds(addresses[0].Value));
        }
    }

    private bool HasHeader()
    {
        var header = new byte[StoreRecord.Size];
        if (Fill(header, 0) < header.Length || !StoreRecord.TryRead(header, out var record) || record.Type != StoreRecordType.Header)
            return false;
        if (record.Text1 != _device)
            throw new InvalidOperationException($"the store belongs to device '{record.Text1}', not to '{_device}'; each device needs its own StorePath");
        return true;
    }

    private int Fill(Span<byte> buffer, long offset)
    {
        var filled = 0;
        while (filled < buffer.Length)
        {
            var read = _file!.Read(buffer[filled..], offset + filled);
            if (read == 0)
                break;
            filled += read;
        }
        return filled;
    }

    private void ApplyLocked(in StoreRecord record, List<StoreRecord> addresses)
    {
        switch (record.Type)
        {
            case StoreRecordType.Position when record.Index <= 1 && record.Value >= 0:
                var state = GetLocked(record.Text1, record.Text2);
                state.Positions[record.Index] = new StreamPosition(record.Epoch, record.Value);
                state.Touched = ++_touches;
                break;
            case StoreRecordType.SendIds:
                var ids = GetLocked(record.Text1, record.Text2);
                ids.ReservedSendId = Math.Max(ids.ReservedSendId, record.Value);
                ids.Touched = ++_touches;
                break;
            case StoreRecordType.Address:
                if (record.Epoch != _listNumber)
                    addresses.Clear();
                _listNumber = record.Epoch;
                addresses.Add(record);
                break;
        }
    }
}
