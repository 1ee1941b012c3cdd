using System.Data.Common;

namespace PushSystem.MariaDb;

/// <summary>
/// An ADO.NET provider over MariaDB Connector/C, for MariaDB and MySQL. Stateless.
/// </summary>
public sealed class MariaDbFactory : DbProviderFactory
{
    /// <summary>The only one; found by this name by whoever makes a provider from a type name.</summary>
    public static readonly MariaDbFactory Instance = new();

    private MariaDbFactory()
    {
    }

    /// <inheritdoc/>
    public override DbConnection CreateConnection() => new MariaDbConnection();

    /// <inheritdoc/>
    public override DbCommand CreateCommand() => new MariaDbCommand();

    /// <inheritdoc/>
    public override DbParameter CreateParameter() => new MariaDbParameter();

    /// <inheritdoc/>
    public override DbConnectionStringBuilder CreateConnectionStringBuilder() => new MariaDbConnectionStringBuilder();

    /// <inheritdoc/>
    public override DbDataSource CreateDataSource(string connectionString) => new MariaDbDataSource(connectionString);
}
