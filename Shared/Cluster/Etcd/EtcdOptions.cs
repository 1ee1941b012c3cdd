namespace PushSystem.Cluster.Etcd;

/// <summary>How etcd is reached. Checked by <see cref="Validate"/> when the client is made.</summary>
public sealed class EtcdOptions
{
    /// <summary>Client URLs of the members, "http://host:2379" or "https://…", from 1 to 64. No default. Members that these do not name are found by asking.</summary>
    public IList<string> Endpoints { get; set; } = [];

    /// <summary>User of etcd's password authentication; empty = none. (etcd does not accept a certificate's name as user over its gateway.)</summary>
    public string User { get; set; } = "";

    /// <summary>The user's password. Default empty.</summary>
    public string Password { get; set; } = "";

    /// <summary>PEM file with the authorities that etcd's certificate must come from; empty = those of the machine.</summary>
    public string CaFile { get; set; } = "";

    /// <summary>PEM file with the certificate that this process shows; empty = none.</summary>
    public string CertificateFile { get; set; } = "";

    /// <summary>PEM file with the key of <see cref="CertificateFile"/>; empty = it is in the same file.</summary>
    public string KeyFile { get; set; } = "";

    /// <summary>Until a call gives up, with all endpoints it tried. Default 5 s.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Until one endpoint counts as silent and, if that is safe, the next is asked. Default 2 s.</summary>
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>First pause after a failure; it doubles up to <see cref="BackOffMax"/> and is spread by ±50 %. Default 200 ms.</summary>
    public TimeSpan BackOffMin { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Longest pause after failures. Default 2 s.</summary>
    public TimeSpan BackOffMax { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Longest random wait before authenticating again, because after a restart of etcd everybody must. Default 500 ms.</summary>
    public TimeSpan AuthenticationSpread { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Between two questions for the members' client URLs, spread by ±50 %. Default 5 min.</summary>
    public TimeSpan MemberInterval { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Between two full lists of what a mirror holds, spread by ±50 %, however healthy its watch looks. Default 5 min.</summary>
    public TimeSpan ListInterval { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Key that tells a silent watch from a dead one; every client watches it beside what it mirrors, and whoever has not seen it
    /// change for <see cref="HeartbeatInterval"/> writes it. Shared by everybody on this etcd; a user needs the permission to read and write it.
    /// </summary>
    public string HeartbeatKey { get; set; } = "/push/heartbeat";

    /// <summary>See <see cref="HeartbeatKey"/>. A watch without a line for three of them is opened anew on another endpoint. Default 3 s.</summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Largest request in bytes of keys and values; etcd's own limit is 1.5 MiB by default. Default 1,500,000.</summary>
    public int MaxRequestBytes { get; set; } = 1_500_000;

    /// <summary>Largest reply, or line of a watch, in bytes. Default 64 MiB.</summary>
    public int MaxReplyBytes { get; set; } = 64 << 20;

    /// <summary>Throws <see cref="ArgumentException"/> naming the option.</summary>
    public void Validate()
    {
        if (Endpoints.Count is < 1 or > 64)
            throw new ArgumentException($"Etcd:Endpoints must hold from 1 to 64 URLs, not {Endpoints.Count}");
        foreach (var endpoint in Endpoints)
        {
            if (!EtcdEndpoint.TryParse(endpoint, out _))
                throw new ArgumentException($"Etcd:Endpoints: '{endpoint}' is no URL of the form http://host:port or https://host:port");
        }
        if (Password.Length > 0 && User.Length == 0)
            throw new ArgumentException("Etcd:Password is set but Etcd:User is empty");
        if (KeyFile.Length > 0 && CertificateFile.Length == 0)
            throw new ArgumentException("Etcd:KeyFile is set but Etcd:CertificateFile is empty");
        Check(nameof(CallTimeout), CallTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1));
        Check(nameof(AttemptTimeout), AttemptTimeout, TimeSpan.FromMilliseconds(50), CallTimeout);
        Check(nameof(BackOffMin), BackOffMin, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1));
        Check(nameof(BackOffMax), BackOffMax, BackOffMin, TimeSpan.FromMinutes(1));
        Check(nameof(AuthenticationSpread), AuthenticationSpread, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        Check(nameof(MemberInterval), MemberInterval, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        Check(nameof(ListInterval), ListInterval, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        Check(nameof(HeartbeatInterval), HeartbeatInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5));
        if (HeartbeatKey.Length is 0 or > 1024)
            throw new ArgumentException("Etcd:HeartbeatKey must have from 1 to 1024 characters");
        if (MaxRequestBytes is < 1024 or > 1 << 30)
            throw new ArgumentException("Etcd:MaxRequestBytes must be from 1024 to 1073741824");
        if (MaxReplyBytes is < 1024 or > 1 << 30)
            throw new ArgumentException("Etcd:MaxReplyBytes must be from 1024 to 1073741824");
    }

    private static void Check(string name, TimeSpan value, TimeSpan low, TimeSpan high)
    {
        if (value < low || value > high)
            throw new ArgumentException($"Etcd:{name} must be from {low} to {high}, not {value}");
    }
}
