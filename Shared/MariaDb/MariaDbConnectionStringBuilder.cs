using System.ComponentModel;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace PushSystem.MariaDb;

/// <summary>
/// Reads and writes connection strings with the keys (and their synonyms) that MySqlConnector has too. An unknown key is refused, so
/// that a typo does not silently leave a default in force.
/// </summary>
public sealed class MariaDbConnectionStringBuilder : DbConnectionStringBuilder
{
    private const int MaxSeconds = 24 * 3_600;

    private static readonly Dictionary<string, string> Names = new(StringComparer.OrdinalIgnoreCase);

    static MariaDbConnectionStringBuilder()
    {
        Add("Server", "Host", "Data Source", "DataSource", "Address", "Addr", "Network Address");
        Add("Port");
        Add("User ID", "UserID", "Username", "Uid", "User name", "User");
        Add("Password", "Pwd");
        Add("Database", "Initial Catalog");
        Add("Connection Timeout", "ConnectionTimeout", "Connect Timeout");
        Add("Default Command Timeout", "DefaultCommandTimeout", "Command Timeout");
        Add("Maximum Pool Size", "Max Pool Size", "MaximumPoolSize", "maxpoolsize");
        Add("Minimum Pool Size", "Min Pool Size", "MinimumPoolSize", "minpoolsize");
        Add("Pooling");
        Add("Connection Reset", "ConnectionReset");
        Add("Connection Idle Timeout", "ConnectionIdleTimeout");
        Add("Connection Lifetime", "ConnectionLifeTime", "Connection Life Time");
        Add("SslMode", "Ssl Mode");
        Add("SslCa", "CA Certificate File", "CACertificateFile", "Ssl-Ca");
        Add("SslCert", "Ssl-Cert");
        Add("SslKey", "Ssl-Key");
        Add("Allow User Variables", "AllowUserVariables");
        Add("Use Affected Rows", "UseAffectedRows");

        static void Add(string name, params string[] synonyms)
        {
            Names[name] = name;
            foreach (var synonym in synonyms)
                Names[synonym] = name;
        }
    }

    /// <summary>Empty.</summary>
    public MariaDbConnectionStringBuilder()
    {
    }

    /// <summary>With the values of a connection string. Throws <see cref="ArgumentException"/> naming an unknown key.</summary>
    public MariaDbConnectionStringBuilder(string connectionString) => ConnectionString = connectionString;

    /// <summary>Host name or address. Default "localhost" over TCP.</summary>
    public string Server { get => Text("Server", "localhost"); set => this["Server"] = value; }
    /// <summary>Default 3306.</summary>
    public int Port { get => Number("Port", 3306, 1, 65_535); set => this["Port"] = value; }
    /// <summary>User name.</summary>
    public string UserID { get => Text("User ID", ""); set => this["User ID"] = value; }
    /// <summary>Password.</summary>
    public string Password { get => Text("Password", ""); set => this["Password"] = value; }
    /// <summary>Database chosen at the start. "" = none.</summary>
    public string Database { get => Text("Database", ""); set => this["Database"] = value; }
    /// <summary>Seconds until opening fails, waiting for the pool included. Default 15.</summary>
    public int ConnectionTimeout { get => Number("Connection Timeout", 15, 1, MaxSeconds); set => this["Connection Timeout"] = value; }
    /// <summary>Seconds until a command fails unless it says otherwise; 0 = never. Default 30.</summary>
    public int DefaultCommandTimeout { get => Number("Default Command Timeout", 30, 0, MaxSeconds); set => this["Default Command Timeout"] = value; }
    /// <summary>Most connections of one connection string; each has a thread. Default 100.</summary>
    public int MaximumPoolSize { get => Number("Maximum Pool Size", 100, 1, 10_000); set => this["Maximum Pool Size"] = value; }
    /// <summary>Idle connections that are kept for ever. Default 0.</summary>
    public int MinimumPoolSize { get => Number("Minimum Pool Size", 0, 0, 10_000); set => this["Minimum Pool Size"] = value; }
    /// <summary>Keep connections for the next who opens one. Default true.</summary>
    public bool Pooling { get => Flag("Pooling", true); set => this["Pooling"] = value; }
    /// <summary>A pooled connection whose session settings may have been changed is reset before it is given out. Default true.</summary>
    public bool ConnectionReset { get => Flag("Connection Reset", true); set => this["Connection Reset"] = value; }
    /// <summary>Seconds after which an idle connection is closed. Default 180.</summary>
    public int ConnectionIdleTimeout { get => Number("Connection Idle Timeout", 180, 1, MaxSeconds); set => this["Connection Idle Timeout"] = value; }
    /// <summary>Seconds after which a connection is not given out any more; 0 = never. Default 0.</summary>
    public int ConnectionLifeTime { get => Number("Connection Lifetime", 0, 0, 30 * MaxSeconds); set => this["Connection Lifetime"] = value; }
    /// <summary>Encryption. Default Preferred.</summary>
    public MariaDbSslMode SslMode { get => Mode(); set => this["SslMode"] = value; }
    /// <summary>File of the certificate authority, PEM.</summary>
    public string SslCa { get => Text("SslCa", ""); set => this["SslCa"] = value; }
    /// <summary>File of the client's certificate, PEM.</summary>
    public string SslCert { get => Text("SslCert", ""); set => this["SslCert"] = value; }
    /// <summary>File of the client's key, PEM.</summary>
    public string SslKey { get => Text("SslKey", ""); set => this["SslKey"] = value; }
    /// <summary>@names that are no parameters are variables of the session instead of an error. Default false.</summary>
    public bool AllowUserVariables { get => Flag("Allow User Variables", false); set => this["Allow User Variables"] = value; }
    /// <summary>Updates count the rows that they changed instead of those that they found. Default false.</summary>
    public bool UseAffectedRows { get => Flag("Use Affected Rows", false); set => this["Use Affected Rows"] = value; }

    /// <inheritdoc/>
    [AllowNull]
    public override object this[string keyword]
    {
        get => base[Canonical(keyword)];
        set => base[Canonical(keyword)] = value;
    }

    /// <inheritdoc/>
    public override bool ContainsKey(string keyword) => base.ContainsKey(Canonical(keyword));

    /// <inheritdoc/>
    public override bool Remove(string keyword) => base.Remove(Canonical(keyword));

    /// <inheritdoc/>
    public override bool TryGetValue(string keyword, [NotNullWhen(true)] out object? value) => base.TryGetValue(Canonical(keyword), out value);

    internal ConnectionSettings Read() => new()
    {
        Server = Server,
        Port = (uint)Port,
        User = UserID,
        Password = Password,
        Database = Database,
        ConnectTimeout = TimeSpan.FromSeconds(ConnectionTimeout),
        CommandTimeout = TimeSpan.FromSeconds(DefaultCommandTimeout),
        MaxPool = MaximumPoolSize,
        MinPool = Math.Min(MinimumPoolSize, MaximumPoolSize),
        Pooling = Pooling,
        ResetChanged = ConnectionReset,
        IdleTimeout = TimeSpan.FromSeconds(ConnectionIdleTimeout),
        Lifetime = TimeSpan.FromSeconds(ConnectionLifeTime),
        SslMode = SslMode,
        SslAuthority = SslCa,
        SslCertificate = SslCert,
        SslKey = SslKey,
        UserVariables = AllowUserVariables,
        AffectedRows = UseAffectedRows,
    };

    private static string Canonical(string keyword)
    {
        ArgumentNullException.ThrowIfNull(keyword);
        return Names.TryGetValue(keyword, out var name)
            ? name
            : throw new ArgumentException($"Connection string: the key '{keyword}' is not known.", nameof(keyword));
    }

    private string Text(string key, string byDefault) =>
        TryGetValue(key, out var value) ? Convert.ToString(value, CultureInfo.InvariantCulture)! : byDefault;

    private int Number(string key, int byDefault, int least, int most)
    {
        var text = Text(key, "");
        if (text.Length == 0)
            return byDefault;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new ArgumentException($"Connection string: {key} is '{text}', it must be from {least} to {most}.");
    }

    private bool Flag(string key, bool byDefault) => Text(key, "").ToUpperInvariant() switch
    {
        "" => byDefault,
        "TRUE" or "YES" or "1" or "ON" => true,
        "FALSE" or "NO" or "0" or "OFF" => false,
        var text => throw new ArgumentException($"Connection string: {key} is '{text}', it must be true or false."),
    };

    private MariaDbSslMode Mode()
    {
        var text = Text("SslMode", "");
        if (text.Length == 0)
            return MariaDbSslMode.Preferred;
        return Enum.TryParse<MariaDbSslMode>(text, ignoreCase: true, out var mode) && Enum.IsDefined(mode)
            ? mode
            : throw new ArgumentException(
                $"Connection string: SslMode is '{text}', it must be one of {string.Join(", ", Enum.GetNames<MariaDbSslMode>())}.");
    }
}
