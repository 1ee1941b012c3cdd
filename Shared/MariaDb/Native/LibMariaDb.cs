using System.Runtime.InteropServices;

namespace PushSystem.MariaDb.Native;

/// <summary>
/// The functions of MariaDB Connector/C (Debian package libmariadb3) that this provider uses. A handle belongs to one thread at a
/// time. Offsets and numbers are those of its public headers, which only ever get additions.
/// </summary>
internal static unsafe partial class LibMariaDb
{
    private const string Library = "libmariadb";
    private const string Missing =
        "MariaDB Connector/C (libmariadb.so.3) was not found. Install it: apt-get install libmariadb3 (Debian, Ubuntu), dnf install mariadb-connector-c (Fedora, RHEL).";

    private static readonly string[] Names = ["libmariadb.so.3", "libmariadb.so", "libmariadb.3.dylib", "libmariadb.dll"];
    private static readonly Lazy<nint> Handle = new(Load);

    static LibMariaDb() => NativeLibrary.SetDllImportResolver(
        typeof(LibMariaDb).Assembly, static (name, _, _) => name == Library ? Handle.Value : 0);

    /// <summary>Loads and initialises the library. Throws <see cref="DllNotFoundException"/> that names the package.</summary>
    public static void EnsureLoaded() => _ = Handle.Value;

    /// <summary>Finds the first library of <paramref name="names"/>.</summary>
    internal static nint Find(ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, typeof(LibMariaDb).Assembly, null, out var found))
                return found;
        }
        throw new DllNotFoundException(Missing);
    }

    private static nint Load()
    {
        var library = Find(Names);
        // Must run once before any thread uses the library.
        var initialise = (delegate* unmanaged<int, nint, nint, int>)NativeLibrary.GetExport(library, "mysql_server_init");
        if (initialise(0, 0, 0) != 0)
            throw new DllNotFoundException("MariaDB Connector/C could not be initialised.");
        return library;
    }

    [LibraryImport(Library, EntryPoint = "mysql_init")]
    public static partial nint Init(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_close")]
    public static partial void Close(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_options")]
    public static partial int SetOption(nint handle, ClientOption option, void* value);

    [LibraryImport(Library, EntryPoint = "mysql_options", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetOption(nint handle, ClientOption option, string value);

    [LibraryImport(Library, EntryPoint = "mysql_real_connect", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint Connect(
        nint handle, string host, string user, string password, string? database, uint port, string? socket, CULong flags);

    [LibraryImport(Library, EntryPoint = "mysql_real_query")]
    public static partial int Query(nint handle, byte* text, CULong length);

    [LibraryImport(Library, EntryPoint = "mysql_use_result")]
    public static partial nint UseResult(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_free_result")]
    public static partial void FreeResult(nint result);

    [LibraryImport(Library, EntryPoint = "mysql_next_result")]
    public static partial int NextResult(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_field_count")]
    public static partial uint FieldCount(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_num_fields")]
    public static partial uint ResultFields(nint result);

    [LibraryImport(Library, EntryPoint = "mysql_fetch_fields")]
    public static partial FieldInfo* Fields(nint result);

    [LibraryImport(Library, EntryPoint = "mysql_fetch_row")]
    public static partial byte** FetchRow(nint result);

    [LibraryImport(Library, EntryPoint = "mysql_fetch_lengths")]
    public static partial CULong* FetchLengths(nint result);

    [LibraryImport(Library, EntryPoint = "mysql_affected_rows")]
    public static partial ulong AffectedRows(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_errno")]
    public static partial uint ErrorNumber(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_error")]
    public static partial byte* ErrorText(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_sqlstate")]
    public static partial byte* SqlState(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_ping")]
    public static partial int Ping(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_reset_connection")]
    public static partial int Reset(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_get_server_info")]
    public static partial byte* ServerVersion(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_get_ssl_cipher")]
    public static partial byte* TlsCipher(nint handle);

    [LibraryImport(Library, EntryPoint = "mysql_get_socket")]
    public static partial int Socket(nint handle);

    [LibraryImport(Library, EntryPoint = "mariadb_get_info")]
    public static partial byte GetInfo(nint handle, int what, void* value);

    /// <summary>Value of <see cref="GetInfo"/>: the server's status bits after the last answer.</summary>
    public const int ServerStatus = 30;

    /// <summary>Bit of the status: a transaction is open.</summary>
    public const uint StatusInTransaction = 1;

    /// <summary>Text of the library, at most <paramref name="length"/> bytes when given.</summary>
    public static string Text(byte* text, int length = -1) =>
        text is null ? "" : length < 0 ? Marshal.PtrToStringUTF8((nint)text) ?? "" : Marshal.PtrToStringUTF8((nint)text, length);
}

/// <summary>enum mysql_option of the headers.</summary>
internal enum ClientOption
{
    ConnectTimeout = 0,
    CharsetName = 7,
    LocalInfile = 8,
    Protocol = 9,
    VerifyServerCertificate = 21,
    TlsKey = 25,
    TlsCertificate = 26,
    TlsAuthority = 27,
    TlsEnforce = 38,
    MaxAllowedPacket = 39,
    RestrictedAuthentication = 7026,
}

/// <summary>Bits of the connect flags.</summary>
[Flags]
internal enum ClientFlags : uint
{
    FoundRows = 2,
    MultiStatements = 1 << 16,
    MultiResults = 1 << 17,
}

/// <summary>MYSQL_FIELD of the headers.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FieldInfo
{
    public byte* Name;
    public byte* OriginalName;
    public byte* Table;
    public byte* OriginalTable;
    public byte* Database;
    public byte* Catalog;
    public byte* Default;
    public CULong Length;
    public CULong MaxLength;
    public uint NameLength;
    public uint OriginalNameLength;
    public uint TableLength;
    public uint OriginalTableLength;
    public uint DatabaseLength;
    public uint CatalogLength;
    public uint DefaultLength;
    public uint Flags;
    public uint Decimals;
    public uint Charset;
    public int Type;
    public nint Extension;
}
