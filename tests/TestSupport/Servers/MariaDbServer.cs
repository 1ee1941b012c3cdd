namespace PushSystem.TestSupport.Servers;

/// <summary>A real MariaDB with a user "push" that may do everything and an empty database "push", reached over TCP.</summary>
public sealed class MariaDbServer : ServerProcess
{
    private static readonly TimeSpan InstallLimit = TimeSpan.FromSeconds(120);
    private readonly string[] _extra;

    private MariaDbServer(string[] extra) => _extra = extra;

    /// <summary>The port; the same over restarts.</summary>
    public int Port { get; } = FreePorts.Take(1)[0];

    /// <summary>User's password.</summary>
    public string Password => "push-password";

    private string Data => Path.Combine(Folder, "data");

    private string Users => Path.Combine(Folder, "users.sql");

    /// <inheritdoc/>
    protected override (string File, string[] Arguments) Command => ("mariadbd",
    [
        "--no-defaults", $"--datadir={Data}", $"--tmpdir={Folder}", $"--port={Port}", "--bind-address=127.0.0.1", $"--socket={Path.Combine(Folder, "sock")}",
        $"--pid-file={Path.Combine(Folder, "pid")}", "--skip-name-resolve", "--user=root", "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=1", "--max-allowed-packet=64M", $"--init-file={Users}", .. _extra,
    ]);

    /// <summary>Creates the system tables (some seconds) and starts it. <paramref name="extra"/> are further arguments of mariadbd.</summary>
    public static async Task<MariaDbServer> StartAsync(params string[] extra)
    {
        var server = new MariaDbServer(extra);
        await server.InstallAsync();
        await server.RestartAsync();
        return server;
    }

    /// <summary>A connection string with the keys that MySqlConnector has as well. "" = no database chosen.</summary>
    public string ConnectionString(string database = "") =>
        $"Server=127.0.0.1;Port={Port};User ID=push;Password={Password}" + (database.Length > 0 ? $";Database={database}" : "");

    /// <inheritdoc/>
    public override async Task WipeAndRestartAsync()
    {
        await Kill();
        Directory.Delete(Data, recursive: true);
        await InstallAsync();
        await RestartAsync();
    }

    /// <inheritdoc/>
    protected override bool IsReady(string line) =>
        line.Contains("ready for connections", StringComparison.Ordinal) || line.Contains("socket: '", StringComparison.Ordinal);

    private async Task InstallAsync()
    {
        // One statement a line, run at each start.
        await File.WriteAllTextAsync(
            Users, $"CREATE USER IF NOT EXISTS 'push'@'%' IDENTIFIED BY '{Password}';\nGRANT ALL PRIVILEGES ON *.* TO 'push'@'%' WITH GRANT OPTION;\nCREATE DATABASE IF NOT EXISTS push;\n");
        using var install = ChildProcess.Start(
            Find("mariadb-install-db"),
            // A server that starts removes temporary tables from its folder, those of others too.
            ["--no-defaults", $"--datadir={Data}", $"--tmpdir={Folder}", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        if (await install.Exit(InstallLimit) != 0)
            throw new InvalidOperationException($"mariadb-install-db failed:\n{install.Output}");
    }
}
