namespace PushSystem.Redis;

/// <summary>Section "redis" of a node file: how to reach redis, the password by file.</summary>
public sealed class RedisSettings
{
    /// <inheritdoc cref="RedisOptions.EndPoints"/>
    public string EndPoints { get; set; } = "";
    /// <summary>File with the password, "" = none.</summary>
    public string PasswordFile { get; set; } = "";
    /// <inheritdoc cref="RedisOptions.Tls"/>
    public bool Tls { get; set; }
    /// <inheritdoc cref="RedisOptions.TlsHost"/>
    public string TlsHost { get; set; } = "";
    /// <inheritdoc cref="RedisOptions.TlsCaFile"/>
    public string TlsCaFile { get; set; } = "";

    /// <summary>What is wrong, each naming the setting.</summary>
    public IEnumerable<string> Problems()
    {
        if (EndPoints.Length == 0)
            yield return $"{nameof(EndPoints)}: \"host:port\" is needed, several separated by commas";
        if (PasswordFile.Length > 0 && !File.Exists(PasswordFile))
            yield return $"{nameof(PasswordFile)}: '{PasswordFile}' must be a file that exists";
        if (TlsCaFile.Length > 0 && !File.Exists(TlsCaFile))
            yield return $"{nameof(TlsCaFile)}: '{TlsCaFile}' must be a file that exists";
    }

    /// <summary>The link's options, with the password read from its file.</summary>
    public RedisOptions ToOptions() => new()
    {
        EndPoints = EndPoints, Password = PasswordFile.Length > 0 ? File.ReadAllText(PasswordFile).Trim() : "", Tls = Tls, TlsHost = TlsHost,
        TlsCaFile = TlsCaFile,
    };
}
