using System.Runtime.InteropServices;
using PushSystem.MariaDb.Native;
using PushSystem.MariaDb.Results;

namespace PushSystem.MariaDb.Sessions;

/// <summary>
/// One connection to the server. Owns the library's handle and a thread on which all calls into the library run. One caller at a time
/// uses it (a connection, or the pool); a timeout or cancellation may come from any thread: it ends the socket, and with it the
/// session. Closed by whoever took it out of the pool, or by the pool.
/// </summary>
internal sealed class Session
{
    private const uint LargestPacket = 1024 * 1024 * 1024;
    private const string Authentication = "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password";

    private readonly ConnectionSettings _settings;
    private readonly SessionThread _thread = new();
    private readonly Lock _lock = new();
    private SessionWork? _current;
    private SocketHandle? _socket;
    private nint _handle;
    private long _maxPacket;
    private volatile bool _broken;
    private volatile bool _inTransaction;

    private Session(ConnectionSettings settings) => _settings = settings;

    /// <summary>The connection is gone; nothing more can be done with it.</summary>
    public bool IsBroken => _broken;

    /// <summary>A transaction is open, as the server said last.</summary>
    public bool IsInTransaction => _inTransaction;

    /// <summary>A command is running.</summary>
    public bool IsBusy
    {
        get
        {
            lock (_lock)
                return _current is not null;
        }
    }

    /// <summary>The session's settings may not be those of a fresh one.</summary>
    public bool IsChanged { get; set; }

    /// <summary>As the server tells it.</summary>
    public string ServerVersion { get; private set; } = "";

    /// <summary>Name of the cipher, "" without encryption.</summary>
    public string TlsCipher { get; private set; } = "";

    /// <summary>When it was opened, and given back last: ticks of the system's time provider.</summary>
    public long OpenedAt { get; } = TimeProvider.System.GetTimestamp();

    /// <inheritdoc cref="OpenedAt"/>
    public long IdleSince { get; set; }

    /// <summary>
    /// Connects. When the answer fails the session closes itself, maybe later than the answer; <paramref name="ended"/> is called
    /// once nothing of it is left.
    /// </summary>
    public static Task<Session> OpenAsync(ConnectionSettings settings, TimeSpan limit, Action ended, CancellationToken cancellationToken)
    {
        LibMariaDb.EnsureLoaded();
        var session = new Session(settings);
        var opening = session.StartAsync(session.Connect, limit, cancellationToken);
        return FinishOpenAsync(session, opening, ended);
    }

    /// <summary>Runs a statement, or several, and gathers all results. 0 = no timeout.</summary>
    public Task<List<ResultSet>> QueryAsync(ReadOnlyMemory<byte> text, TimeSpan limit, CancellationToken cancellationToken)
    {
        // One byte of each packet is the command's number.
        if (text.Length >= _maxPacket)
        {
            throw new MariaDbException(
                $"The statement has {text.Length} bytes; the server takes less than max_allowed_packet = {_maxPacket}. It was not sent.",
                MariaDbException.PacketTooLarge, "08S01");
        }
        return StartAsync(() => Query(text.Span), limit, cancellationToken);
    }

    /// <summary>Asks the server whether it is there.</summary>
    public Task<bool> PingAsync(TimeSpan limit, CancellationToken cancellationToken) =>
        StartAsync(() => Check(LibMariaDb.Ping(_handle)), limit, cancellationToken);

    /// <summary>Gives the session the settings of a fresh one; an open transaction is rolled back.</summary>
    public Task<bool> ResetAsync(TimeSpan limit, CancellationToken cancellationToken) =>
        StartAsync(
            () =>
            {
                Check(LibMariaDb.Reset(_handle));
                Query("SET NAMES utf8mb4"u8);
                IsChanged = false;
                return true;
            },
            limit,
            cancellationToken);

    /// <summary>False when the server has closed the connection. Costs no round trip.</summary>
    public bool LooksAlive()
    {
        lock (_lock)
            return !_broken && _socket?.IsQuiet() != false;
    }

    /// <summary>Closes it; never waits. <paramref name="ended"/> is called when nothing of it is left.</summary>
    public void Close(Action? ended = null)
    {
        _broken = true;
        lock (_lock)
        {
            // A caller is still waiting only when it gave up before the library did.
            if (_current is not null)
                _socket?.Shutdown();
        }
        _thread.Post(
            () =>
            {
                if (_handle != 0)
                    LibMariaDb.Close(_handle);
                _handle = 0;
                lock (_lock)
                    _socket?.Dispose();
                ended?.Invoke();
            },
            last: true);
    }

    private static async Task<Session> FinishOpenAsync(Session session, Task<bool> opening, Action ended)
    {
        try
        {
            await opening;
            return session;
        }
        catch
        {
            session.Close(ended);
            throw;
        }
    }

    private Task<T> StartAsync<T>(Func<T> work, TimeSpan limit, CancellationToken cancellationToken)
    {
        var item = new SessionWork<T>();
        if (_broken)
            return Task.FromException<T>(Lost());
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        lock (_lock)
        {
            if (_current is not null)
                throw new InvalidOperationException("The connection is in use by another command.");
            _current = item;
        }
        item.Arm(limit, cancellationToken, Abort);
        if (!_thread.Post(() => Run(item, work)))
        {
            item.Disarm();
            item.Fail(Lost());
        }
        return item.Answer;
    }

    private void Run<T>(SessionWork<T> item, Func<T> work)
    {
        T result = default!;
        Exception? failure = null;
        try
        {
            result = work();
        }
        catch (Exception exception)
        {
            failure = exception;
        }
        item.Disarm();
        AbortReason aborted;
        lock (_lock)
        {
            _current = null;
            aborted = item.Aborted;
        }
        if (aborted != AbortReason.None || failure is not (null or MariaDbException { IsConnectionLost: false }))
            _broken = true;
        else
            _inTransaction = ReadTransactionBit();
        if (failure is null)
            item.Succeed(result);
        else
            item.Fail(Explain(item, aborted, failure));
    }

    private void Abort(SessionWork item, AbortReason reason)
    {
        lock (_lock)
        {
            if (_current != item || item.Aborted != AbortReason.None)
                return;
            item.Aborted = reason;
            _socket?.Shutdown();
        }
    }

    private static Exception Explain(SessionWork item, AbortReason aborted, Exception failure) => aborted switch
    {
        AbortReason.Cancelled => new OperationCanceledException(item.Token),
        AbortReason.TimedOut => new MariaDbException(
            $"No answer within {item.Limit.TotalSeconds:0.###} s; the connection was ended.", MariaDbException.CommandTimedOut, "HY000",
            new TimeoutException()),
        _ => failure,
    };

    private unsafe bool Connect()
    {
        _handle = LibMariaDb.Init(0);
        if (_handle == 0)
            throw new OutOfMemoryException();
        ApplyOptions();
        var flags = ClientFlags.MultiStatements | ClientFlags.MultiResults | (_settings.AffectedRows ? 0 : ClientFlags.FoundRows);
        var database = _settings.Database.Length == 0 ? null : _settings.Database;
        if (LibMariaDb.Connect(
            _handle, _settings.Server, _settings.User, _settings.Password, database, _settings.Port, null, new CULong((uint)flags)) == 0)
        {
            throw Error();
        }
        lock (_lock)
        {
            _socket = SocketHandle.Duplicate(LibMariaDb.Socket(_handle));
            // The caller gave up before there was a socket to shut down.
            if (_current is { Aborted: not AbortReason.None })
                _socket?.Shutdown();
        }
        ServerVersion = LibMariaDb.Text(LibMariaDb.ServerVersion(_handle));
        TlsCipher = LibMariaDb.Text(LibMariaDb.TlsCipher(_handle));
        if (_settings.SslMode >= MariaDbSslMode.Required && TlsCipher.Length == 0)
        {
            throw new MariaDbException(
                $"SslMode is {_settings.SslMode}, but {_settings.Server}:{_settings.Port} does not offer TLS.", 2026, "HY000");
        }
        var limit = Query("SELECT @@max_allowed_packet"u8)[0];
        _maxPacket = FieldText.Integer(limit.Field(0, 0));
        return true;
    }

    private void ApplyOptions()
    {
        Set(ClientOption.ConnectTimeout, (uint)Math.Ceiling(_settings.ConnectTimeout.TotalSeconds));
        Set(ClientOption.MaxAllowedPacket, new CULong(LargestPacket));
        // The server must not be able to ask for files or for a password in clear text.
        Set(ClientOption.LocalInfile, 0u);
        Set(ClientOption.RestrictedAuthentication, Authentication);
        // "localhost" means TCP here too.
        Set(ClientOption.Protocol, 1u);
        Set(ClientOption.CharsetName, "utf8mb4");
        var mode = _settings.SslMode;
        if (mode == MariaDbSslMode.None)
            return;
        // Makes the library use TLS when the server offers it; what it calls "enforce" does not refuse a server without.
        Set(ClientOption.TlsEnforce, (byte)1);
        if (_settings.SslAuthority.Length > 0)
            Set(ClientOption.TlsAuthority, _settings.SslAuthority);
        if (_settings.SslCertificate.Length > 0)
            Set(ClientOption.TlsCertificate, _settings.SslCertificate);
        if (_settings.SslKey.Length > 0)
            Set(ClientOption.TlsKey, _settings.SslKey);
        if (mode is MariaDbSslMode.VerifyCA or MariaDbSslMode.VerifyFull)
            Set(ClientOption.VerifyServerCertificate, (byte)1);
    }

    private unsafe void Set<T>(ClientOption option, T value) where T : unmanaged => Accept(option, LibMariaDb.SetOption(_handle, option, &value));

    private void Set(ClientOption option, string value) => Accept(option, LibMariaDb.SetOption(_handle, option, value));

    private static void Accept(ClientOption option, int status)
    {
        if (status != 0)
            throw new NotSupportedException($"This version of MariaDB Connector/C does not know the option {option}.");
    }

    private unsafe List<ResultSet> Query(ReadOnlySpan<byte> text)
    {
        fixed (byte* start = text)
            Check(LibMariaDb.Query(_handle, start, new CULong((nuint)text.Length)));
        var results = new List<ResultSet>(1);
        int next;
        do
        {
            results.Add(ReadResult());
            next = LibMariaDb.NextResult(_handle);
        }
        while (next == 0);
        return next > 0 ? throw Error() : results;
    }

    private unsafe ResultSet ReadResult()
    {
        var native = LibMariaDb.UseResult(_handle);
        if (native == 0)
        {
            return LibMariaDb.FieldCount(_handle) == 0
                ? ResultSet.OfChange((long)LibMariaDb.AffectedRows(_handle))
                : throw Error();
        }
        try
        {
            var result = ResultSet.OfRows(native);
            while (LibMariaDb.FetchRow(native) is var row && row is not null)
                result.AddRow(row, LibMariaDb.FetchLengths(native));
            return LibMariaDb.ErrorNumber(_handle) != 0 ? throw Error() : result;
        }
        finally
        {
            LibMariaDb.FreeResult(native);
        }
    }

    private bool Check(int status) => status == 0 ? true : throw Error();

    private unsafe bool ReadTransactionBit()
    {
        uint status = 0;
        return _handle != 0 && LibMariaDb.GetInfo(_handle, LibMariaDb.ServerStatus, &status) == 0 && (status & LibMariaDb.StatusInTransaction) != 0;
    }

    private unsafe MariaDbException Error() => new(
        LibMariaDb.Text(LibMariaDb.ErrorText(_handle)), (int)LibMariaDb.ErrorNumber(_handle), LibMariaDb.Text(LibMariaDb.SqlState(_handle)));

    private static MariaDbException Lost() => new("The connection was lost.", 2013, "08S01");
}
