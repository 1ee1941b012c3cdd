using System.ComponentModel.DataAnnotations;
using PushSystem.Hosting.Nodes;
using PushSystem.Redis;
using PushSystem.Saver.MySql;

namespace PushSystem.Saver;

/// <summary>The node file of a saver.</summary>
public sealed class SaverNodeOptions : NodeOptions
{
    /// <summary>Section "redis": the hot tier.</summary>
    public RedisSettings Redis { get; set; } = new();

    /// <summary>Section "sql": the landing tier.</summary>
    public SqlSettings Sql { get; set; } = new();

    /// <inheritdoc/>
    public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        base.Validate(validationContext)
            .Concat(Redis.Problems().Select(problem => Wrong("Redis", problem)))
            .Concat(Sql.Problems().Select(problem => Wrong("Sql", problem)));
}

/// <summary>How the landing tier is reached.</summary>
public sealed class SqlSettings
{
    /// <inheritdoc cref="MySqlOptions.Provider"/>
    public string Provider { get; set; } = new MySqlOptions().Provider;

    /// <summary>Connection string with server, user and database, without the password. No default.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>File with the user's password, "" = none.</summary>
    public string PasswordFile { get; set; } = "";

    /// <summary>What is wrong, each naming the setting.</summary>
    public IEnumerable<string> Problems()
    {
        if (ConnectionString.Length == 0)
            yield return $"{nameof(ConnectionString)}: \"Server=…;User ID=…;Database=…\" is needed";
        if (ConnectionString.Contains("password", StringComparison.OrdinalIgnoreCase) || ConnectionString.Contains("pwd", StringComparison.OrdinalIgnoreCase))
            yield return $"{nameof(ConnectionString)}: the password belongs into {nameof(PasswordFile)}";
        if (PasswordFile.Length > 0 && !File.Exists(PasswordFile))
            yield return $"{nameof(PasswordFile)}: '{PasswordFile}' must be a file that exists";
    }

    /// <summary>The store's options, with the password read from its file.</summary>
    public MySqlOptions ToOptions()
    {
        var builder = new System.Data.Common.DbConnectionStringBuilder { ConnectionString = ConnectionString };
        if (PasswordFile.Length > 0)
            builder["Password"] = File.ReadAllText(PasswordFile).Trim();
        return new MySqlOptions { Provider = Provider, ConnectionString = builder.ConnectionString };
    }
}
