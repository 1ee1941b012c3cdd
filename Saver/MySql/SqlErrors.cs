using System.Data.Common;
using System.Net.Sockets;
using PushSystem.Contracts;

namespace PushSystem.Saver.MySql;

/// <summary>What an error of any provider means. Pure.</summary>
internal static class SqlErrors
{
    // Classes of SQLSTATE that say that the statement is wrong: data, constraint, transaction state, syntax and names.
    private static readonly string[] OurFault = ["21", "22", "23", "25", "42"];

    /// <summary>The database is not there, too slow or not able to now. Otherwise our statement is wrong.</summary>
    public static bool IsAway(Exception exception) => exception switch
    {
        DbException { SqlState: { Length: 5 } state } error => error.IsTransient || !OurFault.Contains(state[..2]),
        DbException => true,
        StoreUnavailableException or OperationCanceledException or TimeoutException or SocketException or IOException or ObjectDisposedException => true,
        _ => false,
    };

    /// <summary>The transaction was rolled back and may be repeated.</summary>
    public static bool IsDeadlock(DbException exception) => exception.SqlState == "40001";
}
